//! How fast an instance answers: a moving average that believes bad news at once and good news over time.
//!
//! It is the peak-EWMA of Finagle and linkerd: a slow answer counts from the moment at which it is seen, and weighs
//! less and less with the time since. An instance of which nothing was heard for long is tried again, because what
//! is known of it fades away.
//!
//! It is the root of the average that is multiplied with the requests under way. With the average itself one slow
//! answer (a report, a cold cache) would make a hundred requests queue at another instance while this one rests,
//! since apps have few instances and requests that differ; and where nothing is under way, which is where
//! counting requests says nothing, the root compares like the average. Time is given to it, so that it can be tested.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time in which the weight of what is known falls to a third.
const DECAY_MILLISECONDS: f32 = 5_000.0;
/// Added to every average: what differs by less is noise, and must not outweigh requests under way.
const NOISE_MICROSECONDS: f32 = 1_000.0;
/// What a failed request counts as. Failing fast must not look like being fast.
const PENALTY: Duration = Duration::from_secs(1);

/// The average in microseconds (upper half) and the millisecond at which it was made (lower half); zero while
/// nothing is known. Two threads that write at once lose one sample of the two, which an average can bear.
#[derive(Debug, Default)]
pub(crate) struct Latency(AtomicU64);

impl Latency {
    /// Notes that an answer began after a while.
    pub(crate) fn observe(&self, sample: Duration, now: u64) {
        let sample = microseconds(sample);
        let packed = self.0.load(Ordering::Relaxed);
        let (average, at) = unpack(packed);
        let elapsed = elapsed(at, now);
        if packed != 0 && sample <= average && elapsed == 0 {
            // It would weigh nothing; and it must not renew the time, or frequent samples would never weigh anything.
            return;
        }
        let next = if packed == 0 || sample >= average {
            sample
        } else {
            let weight = weight(elapsed);
            (average as f32 * weight + sample as f32 * (1.0 - weight)) as u32
        };
        self.0.store(pack(next, now), Ordering::Relaxed);
    }

    /// Notes an answer that says that something is wrong: it makes nothing look faster.
    pub(crate) fn observe_error(&self, sample: Duration, now: u64) {
        let average = self.average(now).unwrap_or_default();
        self.observe(sample.max(average), now);
    }

    /// Notes that there was no answer, or none of the app's own.
    pub(crate) fn observe_failure(&self, now: u64) {
        self.observe_error(PENALTY, now);
    }

    /// What is known now, if anything is.
    pub(crate) fn average(&self, now: u64) -> Option<Duration> {
        let packed = self.0.load(Ordering::Relaxed);
        (packed != 0).then(|| {
            let (average, at) = unpack(packed);
            Duration::from_micros((average as f32 * weight(elapsed(at, now))) as u64)
        })
    }

    /// What one more request would cost where so many are under way, if anything is known.
    pub(crate) fn cost(&self, in_flight: usize, now: u64) -> Option<f32> {
        let packed = self.0.load(Ordering::Relaxed);
        (packed != 0).then(|| {
            let (average, at) = unpack(packed);
            (average as f32 * weight(elapsed(at, now)) + NOISE_MICROSECONDS).sqrt() * (in_flight + 1) as f32
        })
    }
}

fn pack(average: u32, now: u64) -> u64 {
    // An average of zero would mean that nothing is known.
    u64::from(average.max(1)) << 32 | (now & u64::from(u32::MAX))
}

fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
}

/// Milliseconds between two times, of which one has only its lower half. It is wrong after seven weeks of silence,
/// when nothing depends on it.
fn elapsed(at: u32, now: u64) -> u32 {
    let elapsed = (now as u32).wrapping_sub(at);
    // Threads may read the clock in one order and write in the other: a time that is to come is now.
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}

fn weight(elapsed: u32) -> f32 {
    (-(elapsed as f32) / DECAY_MILLISECONDS).exp()
}

fn microseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn average(latency: &Latency, now: u64) -> u128 {
        latency.average(now).unwrap().as_millis()
    }

    #[test]
    fn bad_news_count_at_once_and_fade() {
        let latency = Latency::default();
        assert_eq!(latency.average(1), None);
        latency.observe(ms(2), 1);
        latency.observe(ms(800), 1);
        assert_eq!(average(&latency, 1), 800, "at once");
        latency.observe(ms(2), 2);
        assert!(average(&latency, 2) > 790, "one good answer proves nothing");
        assert!((270..320).contains(&average(&latency, 5_002)), "a third after the decay");
        for now in 2..40_000 {
            latency.observe(ms(2), now);
        }
        assert!(average(&latency, 40_000) < 4, "good answers over time do");
    }

    #[test]
    fn many_answers_within_a_millisecond_do_not_stop_the_clock() {
        let latency = Latency::default();
        latency.observe(ms(100), 1);
        for now in 1..10_000 {
            for _ in 0..3 {
                latency.observe(ms(1), now);
            }
        }
        assert!(average(&latency, 10_000) < 20);
    }

    #[test]
    fn failing_fast_is_not_being_fast() {
        let latency = Latency::default();
        latency.observe(ms(50), 1);
        latency.observe_error(ms(1), 1_000);
        assert!(average(&latency, 1_000) > 38, "an error makes nothing faster");
        latency.observe_failure(2_000);
        assert_eq!(average(&latency, 2_000), 1_000);
    }

    #[test]
    fn requests_under_way_multiply_the_cost() {
        let latency = Latency::default();
        assert_eq!(latency.cost(3, 1), None);
        latency.observe(ms(9), 1);
        assert_eq!(latency.cost(0, 1), Some(100.0));
        assert_eq!(latency.cost(3, 1), Some(400.0));
    }

    #[test]
    fn the_clock_may_wrap_and_threads_may_disagree_about_it() {
        let latency = Latency::default();
        let wrap = u64::from(u32::MAX);
        latency.observe(ms(100), wrap);
        assert_eq!(average(&latency, wrap - 3), 100, "seen by a thread that is behind");
        assert!((95..100).contains(&average(&latency, wrap + 200)));
    }
}
