//! When something is to be done about a certificate. Pure: times in, a time out.

/// A certificate as far as its renewal is concerned. Times are in seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number, from which its jitter is made.
    pub id: i64,
    /// The hosts it is for.
    pub hosts: Vec<String>,
    /// When it was got.
    pub since: i64,
    /// The end of its validity.
    pub not_after: i64,
}

/// What may move a renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Seconds before the end, as a person said.
    pub grace_seconds: Option<i64>,
    /// The time that the authority suggests.
    pub suggested: Option<i64>,
}

/// The pause after the first failure; each is twice as long as the one before.
const FIRST_PAUSE: i64 = 300;
/// How long a certificate that was over when it came is left as it is.
const WRONG_CLOCK_PAUSE: i64 = 3600;
/// The longest pause.
const LONGEST_PAUSE: i64 = 12 * 3600;

/// When a certificate is to be renewed: with a third of its life left, a little earlier by a jitter of its own, so
/// that those which were got together are not renewed together. An authority's word may make it earlier.
pub fn due_at(held: &Held, wishes: Wishes) -> i64 {
    let life = (held.not_after - held.since).max(0);
    // Knuth's multiplicative hash: neighbouring numbers come to lie far apart.
    let spread = held.id.unsigned_abs().wrapping_mul(2_654_435_761) % 1000;
    let jitter = life / 30 * i64::try_from(spread).unwrap_or(0) / 1000;
    // A person's time counts only where it leaves the certificate some life: it was meant for 90 days.
    let grace = wishes.grace_seconds.filter(|grace| *grace < life).unwrap_or(life / 3);
    let due = held.not_after - grace - jitter;
    let due = wishes.suggested.map_or(due, |suggested| suggested.min(due));
    // One that was over when it came, by a clock that is wrong here or there, must not be ordered again and again.
    let rest = if life > 0 { life / 30 } else { WRONG_CLOCK_PAUSE };
    due.max(held.since + rest)
}

/// How long nothing is tried after so many failures in a row. The less time is left, the sooner it is tried.
pub fn pause(failures: u32, left: Option<i64>) -> i64 {
    let doubled = FIRST_PAUSE << failures.saturating_sub(1).min(16);
    let pause = doubled.min(LONGEST_PAUSE);
    match left {
        Some(left) if left > 0 => pause.min((left / 8).max(60)),
        _ => pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn held(id: i64, days: i64) -> Held {
        Held { id, hosts: Vec::new(), since: 0, not_after: days * DAY }
    }

    #[test]
    fn a_third_of_the_life_is_left_at_the_renewal() {
        for days in [90, 45, 6] {
            for id in 1..200 {
                let due = due_at(&held(id, days), Wishes::default());
                let earliest = days * DAY * 63 / 100;
                assert!((earliest..=days * DAY * 2 / 3).contains(&due), "{days} {id} {due}");
            }
        }
    }

    #[test]
    fn certificates_that_were_got_together_are_renewed_apart() {
        let mut dues: Vec<i64> = (1..=50).map(|id| due_at(&held(id, 90), Wishes::default())).collect();
        dues.sort_unstable();
        dues.dedup();
        assert!(dues.len() > 45, "{}", dues.len());
    }

    #[test]
    fn a_person_and_the_authority_may_say_otherwise() {
        let due = |wishes| due_at(&held(0, 90), wishes);
        assert_eq!(due(Wishes { grace_seconds: Some(10 * DAY), suggested: None }), 80 * DAY);
        assert_eq!(due(Wishes { grace_seconds: Some(10 * DAY), suggested: Some(5 * DAY) }), 5 * DAY);
        assert_eq!(due(Wishes { grace_seconds: Some(90 * DAY), suggested: None }), 60 * DAY);
        assert_eq!(due(Wishes { grace_seconds: None, suggested: Some(89 * DAY) }), 60 * DAY);
    }

    #[test]
    fn a_clock_that_is_wrong_does_not_have_it_renewed_all_the_time() {
        let late = Held { id: 7, hosts: Vec::new(), since: 1000, not_after: 900 };
        assert_eq!(due_at(&late, Wishes::default()), 1000 + WRONG_CLOCK_PAUSE);
        let suggested = Wishes { grace_seconds: None, suggested: Some(0) };
        assert_eq!(due_at(&held(0, 90), suggested), 3 * DAY);
    }

    #[test]
    fn pauses_double_and_are_bounded() {
        let pauses: Vec<i64> = (1..=10).map(|failures| pause(failures, None)).collect();
        assert_eq!(pauses[..4], [300, 600, 1200, 2400]);
        assert_eq!(pauses[9], LONGEST_PAUSE);
        assert_eq!(pause(u32::MAX, None), LONGEST_PAUSE);
        assert_eq!(pause(8, Some(DAY)), 3 * 3600);
        assert_eq!((pause(8, Some(10)), pause(8, Some(-1))), (60, 38_400));
    }
}
