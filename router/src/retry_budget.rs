//! How many requests may be sent a second time, so that an outage is not made worse by trying it twice.
//!
//! A share of the requests, and a few a second for apps that have few. Each worker keeps a budget of its own, which
//! only its thread writes, and it is worked out when it is asked for: requests that need none pay nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests for which one more may be sent.
const REQUESTS_PER_RETRY: u64 = 5;
/// Retries a second that are allowed in any case, by all workers together.
const PER_SECOND: u64 = 10;
/// How long what was not used is kept.
const MEMORY_MILLISECONDS: u64 = 10_000;
/// Parts of a retry that are counted in.
const SCALE: u64 = 1_000;

/// The budget of one worker for one app.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// In thousandths of a retry.
    balance: AtomicU64,
    /// When it was worked out last; zero if never.
    at: AtomicU64,
    /// The worker's requests for the app until then.
    requests: AtomicU64,
    workers: u64,
}

impl RetryBudget {
    /// The budget of one of so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let [balance, at, requests] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { balance, at, requests, workers: (workers as u64).max(1) }
    }

    /// Takes one retry, if there is one; `requests` is how many requests there were so far.
    pub(crate) fn take(&self, requests: u64, now: u64) -> bool {
        let at = self.at.swap(now, Ordering::Relaxed);
        let before = self.requests.swap(requests, Ordering::Relaxed);
        // The first time everything that may be kept is there.
        let elapsed = if at == 0 { MEMORY_MILLISECONDS } else { now.saturating_sub(at) };
        let remembered = elapsed.min(MEMORY_MILLISECONDS);
        let by_time = remembered * PER_SECOND * SCALE / 1_000 / self.workers;
        let share = requests.saturating_sub(before).saturating_mul(SCALE) / REQUESTS_PER_RETRY;
        let by_requests = share.saturating_mul(remembered.max(1)) / elapsed.max(1);
        let most = MEMORY_MILLISECONDS * PER_SECOND * SCALE / 1_000 / self.workers;
        let balance = self.balance.load(Ordering::Relaxed);
        let balance = balance.saturating_add(by_time).min(most).saturating_add(by_requests);
        let rest = balance.checked_sub(SCALE);
        self.balance.store(rest.unwrap_or(balance), Ordering::Relaxed);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a number of requests a millisecond for a while, each of which wants to be sent again.
    fn outage(budget: &RetryBudget, requests: u64, milliseconds: u64) -> u64 {
        let mut allowed = 0;
        let mut sent = 0;
        for now in 1..=milliseconds {
            for _ in 0..requests {
                sent += 1;
                allowed += u64::from(budget.take(sent, now));
            }
        }
        allowed
    }

    #[test]
    fn an_outage_is_multiplied_by_a_fifth_and_no_more() {
        let allowed = outage(&RetryBudget::new(1), 5, 100_000);
        // A fifth of half a million, ten a second, and what was kept from before.
        assert!((100_000..=101_200).contains(&allowed), "{allowed}");
    }

    #[test]
    fn an_app_with_few_requests_may_repeat_all_of_them() {
        let budget = RetryBudget::new(1);
        assert!((1..1_000).all(|second| budget.take(second, second * 1_000)));
    }

    #[test]
    fn what_is_not_used_is_not_kept_for_ever() {
        let budget = RetryBudget::new(1);
        assert!(budget.take(0, 1));
        let day = 86_400_000;
        let granted = (0..100_000).filter(|_| budget.take(1_000_000, day)).count();
        assert!(
            (100..=123).contains(&granted),
            "a day of silence and a million of requests in it: {granted}"
        );
    }

    #[test]
    fn workers_share_it() {
        let granted = |workers| {
            let budget = RetryBudget::new(workers);
            (0..1_000).filter(|_| budget.take(0, 1)).count()
        };
        assert_eq!((granted(1), granted(4)), (100, 25));
    }
}
