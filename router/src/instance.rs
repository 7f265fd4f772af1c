//! One container as the router knows it, and the requests that are under way to it. Shared by all workers and all
//! tables.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock;
use crate::health::{Health, Reason};
use crate::latency::Latency;
use crate::queue::Queue;
use crate::table::InstanceRoute;

/// One container: its address and what is going on with it now.
#[derive(Debug)]
pub(crate) struct Instance {
    /// The container's id.
    pub(crate) id: String,
    /// `web.1`.
    pub(crate) label: Arc<str>,
    /// Its address.
    pub(crate) address: IpAddr,
    /// Distinguishes instances in this process; a container that comes back at another address is another one.
    pub(crate) number: u64,
    /// What came of its last requests.
    pub(crate) health: Health,
    /// How fast it answers.
    pub(crate) latency: Latency,
    /// Requests and upgraded connections under way.
    in_flight: AtomicUsize,
    /// Set when it takes no new requests.
    retired: AtomicBool,
    /// Told when the last request of a retired instance has ended.
    idle: Notify,
}

/// A request that is under way to an instance. Dropping it ends the count.
#[derive(Debug)]
pub(crate) struct InFlight {
    instance: Arc<Instance>,
    /// Why this instance, until its answer is known.
    reason: Reason,
    /// Who waits for its end, where the number of requests is limited.
    queue: Option<Arc<Queue>>,
}

impl Instance {
    pub(crate) fn new(spec: &InstanceRoute) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: spec.id.clone(),
            label: Arc::from(spec.label.as_str()),
            address: spec.address,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            health: Health::default(),
            latency: Latency::default(),
            in_flight: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            idle: Notify::new(),
        }
    }

    /// How many requests and upgraded connections are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Takes it out of the choice, or back into it.
    pub(crate) fn set_retired(&self, retired: bool) {
        self.retired.store(retired, Ordering::SeqCst);
        if retired {
            self.idle.notify_waiters();
        }
    }

    /// Whether it takes no new requests.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Waits until nothing is under way.
    pub(crate) async fn wait_idle(&self) {
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            // Registered before the count is read, or a request that ends in between would not be noticed.
            idle.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl InFlight {
    /// Counts a request in, unless the instance takes none.
    ///
    /// The count comes first and the question second, both sequentially consistent: a drain asks in the opposite
    /// order (retire, then read the count), so one of the two always sees the other and no request slips through.
    pub(crate) fn begin(instance: &Arc<Instance>, reason: Reason) -> Option<Self> {
        instance.in_flight.fetch_add(1, Ordering::SeqCst);
        Self { instance: Arc::clone(instance), reason, queue: None }.unless_retired()
    }

    /// The same, unless as many requests are under way as may. `queue` is told when this one ends.
    pub(crate) fn begin_below(
        instance: &Arc<Instance>,
        limit: usize,
        reason: Reason,
        queue: &Arc<Queue>,
    ) -> Option<Self> {
        let below = |count: usize| (count < limit).then_some(count + 1);
        // In one step: a count that overshoots for a moment would turn others away for nothing.
        instance.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, below).ok()?;
        Self { instance: Arc::clone(instance), reason, queue: Some(Arc::clone(queue)) }.unless_retired()
    }

    fn unless_retired(self) -> Option<Self> {
        if self.instance.is_retired() { None } else { Some(self) }
    }

    /// The instance.
    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// Notes that the instance answered with a status after a while, and says whether it is ejected for it.
    ///
    /// A status of 500 is the app's own affair. 502 to 504 say that it cannot do its work.
    pub(crate) fn answered(&mut self, status: u16, after: Duration, eject_after: Option<NonZeroU32>) -> bool {
        if matches!(status, 502..=504) {
            return self.failed(eject_after);
        }
        let instance = &self.instance;
        instance.health.succeeded(self.reason);
        self.reason = Reason::Healthy;
        if status >= 500 {
            instance.latency.observe_error(after, clock::now());
        } else {
            instance.latency.observe(after, clock::now());
        }
        false
    }

    /// Notes that there was no connection or no answer, and says whether the instance is ejected for it.
    pub(crate) fn failed(&mut self, eject_after: Option<NonZeroU32>) -> bool {
        let now = clock::now();
        let ejected = self.instance.health.failed(self.reason, eject_after, now);
        if self.reason == Reason::Probe && !ejected {
            self.instance.health.give_up_probe();
        }
        self.reason = Reason::Healthy;
        self.instance.latency.observe_failure(now);
        ejected
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.reason == Reason::Probe {
            // Its client went away, or it was never sent.
            self.instance.health.give_up_probe();
        }
        let before = self.instance.in_flight.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.instance.is_retired() {
            self.instance.idle.notify_waiters();
        }
        if let Some(queue) = &self.queue {
            queue.wake();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Instances with the ids `c0`, `c1` and so on.
    pub(crate) fn instances(count: usize) -> Vec<Arc<Instance>> {
        (0..count)
            .map(|index| {
                Arc::new(Instance::new(&InstanceRoute {
                    id: format!("c{index}"),
                    label: format!("web.{index}"),
                    address: IpAddr::from([127, 0, 0, 1]),
                }))
            })
            .collect()
    }

    pub(crate) fn begin(instance: &Arc<Instance>) -> InFlight {
        InFlight::begin(instance, Reason::Healthy).unwrap()
    }

    #[test]
    fn a_retired_instance_takes_none() {
        let all = instances(1);
        all[0].set_retired(true);
        assert!(InFlight::begin(&all[0], Reason::Healthy).is_none());
        assert!(InFlight::begin_below(&all[0], 1, Reason::Healthy, &Arc::default()).is_none());
        assert_eq!(all[0].in_flight(), 0);
    }

    #[test]
    fn a_limit_is_not_exceeded() {
        let all = instances(1);
        let queue = Arc::<Queue>::default();
        let begin = || InFlight::begin_below(&all[0], 2, Reason::Healthy, &queue);
        let (first, second) = (begin(), begin());
        assert!(first.is_some() && second.is_some() && begin().is_none());
        drop(first);
        assert!(begin().is_some());
    }

    #[tokio::test]
    async fn waiting_ends_with_the_last_request() {
        let all = instances(1);
        let first = begin(&all[0]);
        let second = begin(&all[0]);
        all[0].set_retired(true);
        let instance = Arc::clone(&all[0]);
        let waiting = tokio::spawn(async move { instance.wait_idle().await });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }
}
