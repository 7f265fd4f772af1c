//! One container as the router knows it, and the choice among several. Shared by all workers and all tables.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::table::InstanceRoute;

/// How long an instance that could not be connected to is used only if there is no other.
const QUARANTINE: Duration = Duration::from_secs(5);

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
    /// Requests and upgraded connections under way.
    in_flight: AtomicUsize,
    /// Set when it takes no new requests.
    retired: AtomicBool,
    /// Milliseconds since `epoch` until which it is in quarantine.
    quarantined_until: AtomicU64,
    /// Milliseconds since `epoch` at which it began to refuse connections; zero while it does not.
    refusing_since: AtomicU64,
    epoch: Instant,
    /// Told when the last request of a retired instance has ended.
    idle: Notify,
}

/// A request that is under way to an instance. Dropping it ends the count.
#[derive(Debug)]
pub(crate) struct InFlight {
    instance: Arc<Instance>,
}

impl Instance {
    pub(crate) fn new(spec: &InstanceRoute) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: spec.id.clone(),
            label: Arc::from(spec.label.as_str()),
            address: spec.address,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            in_flight: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            quarantined_until: AtomicU64::new(0),
            refusing_since: AtomicU64::new(0),
            epoch: Instant::now(),
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

    /// Notes that it could not be connected to.
    pub(crate) fn quarantine(&self) {
        let now = self.epoch.elapsed();
        let until = self.quarantined_until.swap(milliseconds(now + QUARANTINE), Ordering::Relaxed);
        if self.refusing_for().is_none() || milliseconds(now) > until + milliseconds(QUARANTINE) {
            // It refuses for the first time, or for the first time again: nobody knows what was in between.
            self.refusing_since.store(milliseconds(now).max(1), Ordering::Relaxed);
        }
    }

    /// Notes that it answers.
    pub(crate) fn end_quarantine(&self) {
        self.quarantined_until.store(0, Ordering::Relaxed);
        self.refusing_since.store(0, Ordering::Relaxed);
    }

    /// For how long it has refused connections, if it does.
    pub(crate) fn refusing_for(&self) -> Option<Duration> {
        let since = self.refusing_since.load(Ordering::Relaxed);
        (since != 0).then(|| self.epoch.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    fn is_quarantined(&self) -> bool {
        let until = self.quarantined_until.load(Ordering::Relaxed);
        until != 0 && milliseconds(self.epoch.elapsed()) < until
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
    pub(crate) fn begin(instance: &Arc<Instance>) -> Option<Self> {
        instance.in_flight.fetch_add(1, Ordering::SeqCst);
        let begun = Self { instance: Arc::clone(instance) };
        if instance.is_retired() { None } else { Some(begun) }
    }

    /// The instance.
    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let before = self.instance.in_flight.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.instance.is_retired() {
            self.instance.idle.notify_waiters();
        }
    }
}

/// Chooses an instance that was not tried yet: the one with fewer requests under way of two taken at random.
///
/// Two random choices beat turns as soon as one instance is slow, and cost the same with any number of them
/// (Mitzenmacher, "The Power of Two Choices"). Instances in quarantine come last, but they do come: a request
/// that may fail is better than one that certainly does.
pub(crate) fn choose(instances: &[Arc<Instance>], tried: &[u64]) -> Option<InFlight> {
    let open = |instance: &Arc<Instance>| !instance.is_retired() && !tried.contains(&instance.number);
    pick(instances, |instance| open(instance) && !instance.is_quarantined())
        .or_else(|| pick(instances, open))
        .and_then(InFlight::begin)
}

fn pick(instances: &[Arc<Instance>], wanted: impl Fn(&Arc<Instance>) -> bool) -> Option<&Arc<Instance>> {
    let count = instances.iter().filter(|instance| wanted(instance)).count();
    let nth = |index: usize| instances.iter().filter(|instance| wanted(instance)).nth(index);
    if count < 2 {
        return nth(0);
    }
    let first = rand::random_range(0..count);
    let second = (first + rand::random_range(1..count)) % count;
    // Either may have left the choice since it was counted.
    match (nth(first), nth(second)) {
        (Some(first), Some(second)) if second.in_flight() < first.in_flight() => Some(second),
        (first, second) => first.or(second).or_else(|| nth(0)),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(count: usize) -> Vec<Arc<Instance>> {
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

    #[test]
    fn a_busy_instance_gets_fewer_requests() {
        let all = instances(2);
        let held: Vec<_> = (0..10).map(|_| InFlight::begin(&all[0]).unwrap()).collect();
        for _ in 0..100 {
            assert_eq!(choose(&all, &[]).unwrap().instance().id, "c1");
        }
        drop(held);
        assert_eq!(all[0].in_flight(), 0);
    }

    #[test]
    fn all_idle_instances_get_requests() {
        let all = instances(3);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            seen.insert(choose(&all, &[]).unwrap().instance().number);
        }
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn retired_and_tried_instances_are_not_chosen_and_quarantined_ones_last() {
        let all = instances(3);
        all[0].set_retired(true);
        all[1].quarantine();
        for _ in 0..50 {
            assert_eq!(choose(&all, &[]).unwrap().instance().id, "c2");
        }
        assert_eq!(choose(&all, &[all[2].number]).unwrap().instance().id, "c1");
        assert!(choose(&all, &[all[1].number, all[2].number]).is_none());
        assert!(InFlight::begin(&all[0]).is_none());
        assert_eq!(all[0].in_flight(), 0);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_last_request() {
        let all = instances(1);
        let first = InFlight::begin(&all[0]).unwrap();
        let second = InFlight::begin(&all[0]).unwrap();
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
