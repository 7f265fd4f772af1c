//! Which of an app's instances gets a request.
//!
//! Two are taken at random, and the one where a request costs less gets it: what an answer of it takes, and how
//! many requests are under way to it (peak-EWMA). Two random choices beat turns as soon as one instance is slow, and cost the same
//! with any number of them (Mitzenmacher, "The Power of Two Choices"). Where one of the two has not answered yet,
//! only the requests under way count, so that a new instance gets its share and no more.
//!
//! Instances that are not healthy come last, but they do come: a request that may fail is better than one that
//! certainly does.

use std::sync::Arc;

use crate::clock;
use crate::health::{Condition, Reason};
use crate::instance::{InFlight, Instance};
use crate::queue::Queue;

/// What is known about a request before an instance is chosen for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// Instances that could not be connected to: not again.
    pub(crate) tried: &'a [u64],
    /// The instance on which the request was lost: not again if there is another.
    pub(crate) lost: Option<u64>,
    /// The instance that the client belongs to.
    pub(crate) home: Option<u64>,
    /// Requests that one instance may have under way, and who waits for their ends.
    pub(crate) limit: Option<(usize, &'a Arc<Queue>)>,
}

/// Why none was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoChoice {
    /// There is none that was not tried.
    None,
    /// All have as many requests under way as they may.
    Full,
}

/// Chooses an instance and counts the request in.
pub(crate) fn choose(instances: &[Arc<Instance>], wanted: Wanted<'_>) -> Result<InFlight, NoChoice> {
    if let [only] = instances {
        // Its health makes no difference, except to itself.
        let reason = wanted.reason_for_only(only);
        return if wanted.allows(only) { wanted.begin(only, reason) } else { Err(NoChoice::None) };
    }
    let now = clock::now();
    if let Some(chosen) = wanted.home(instances, now).or_else(|| wanted.probe(instances, now)) {
        return Ok(chosen);
    }
    let healthy = |instance: &Arc<Instance>| {
        wanted.allows(instance) && instance.health.condition(now) == Condition::Healthy
    };
    let other = |instance: &Arc<Instance>| healthy(instance) && wanted.lost != Some(instance.number);
    match wanted.pick(instances, now, Reason::Healthy, other) {
        Err(NoChoice::None) => {}
        chosen => return chosen,
    }
    match wanted.pick(instances, now, Reason::Healthy, healthy) {
        Err(NoChoice::None) => {
            wanted.pick(instances, now, Reason::NoOther, |instance| wanted.allows(instance))
        }
        chosen => chosen,
    }
}

impl Wanted<'_> {
    fn allows(&self, instance: &Arc<Instance>) -> bool {
        !instance.is_retired() && !self.tried.contains(&instance.number)
    }

    fn has_room(&self, instance: &Instance) -> bool {
        self.limit.is_none_or(|(limit, _)| instance.in_flight() < limit)
    }

    fn begin(&self, instance: &Arc<Instance>, reason: Reason) -> Result<InFlight, NoChoice> {
        match self.limit {
            None => InFlight::begin(instance, reason).ok_or(NoChoice::None),
            Some((limit, queue)) => {
                let begun = InFlight::begin_below(instance, limit, reason, queue);
                begun.ok_or(if instance.is_retired() { NoChoice::None } else { NoChoice::Full })
            }
        }
    }

    /// With one instance every request tries it.
    fn reason_for_only(&self, only: &Instance) -> Reason {
        if only.health.is_sound() { Reason::Healthy } else { Reason::NoOther }
    }

    /// The instance that the client belongs to, if it is fit to take the request.
    fn home(&self, instances: &[Arc<Instance>], now: u64) -> Option<InFlight> {
        let home = self.home?;
        let home = instances.iter().find(|instance| instance.number == home)?;
        let fit = self.allows(home) && home.health.condition(now) == Condition::Healthy;
        if fit { self.begin(home, Reason::Healthy).ok() } else { None }
    }

    /// An instance of which it is to be found out whether it is still bad.
    fn probe(&self, instances: &[Arc<Instance>], now: u64) -> Option<InFlight> {
        let due = |instance: &&Arc<Instance>| instance.health.is_probe_due(now);
        let due = instances.iter().find(due).filter(|due| self.allows(due) && self.has_room(due))?;
        if !due.health.begin_probe() {
            return None;
        }
        let begun = self.begin(due, Reason::Probe).ok();
        if begun.is_none() {
            due.health.give_up_probe();
        }
        begun
    }

    /// The cheaper one of two of those that fit.
    fn pick(
        &self,
        instances: &[Arc<Instance>],
        now: u64,
        reason: Reason,
        fits: impl Fn(&Arc<Instance>) -> bool,
    ) -> Result<InFlight, NoChoice> {
        let takes = |instance: &Arc<Instance>| fits(instance) && self.has_room(instance);
        // Another request may take the last place between the look and the step, but not for ever.
        for _ in 0..=instances.len() {
            let Some(chosen) = two(instances, takes).map(|(first, second)| cheaper(first, second, now))
            else {
                let full = instances.iter().any(&fits);
                return Err(if full { NoChoice::Full } else { NoChoice::None });
            };
            if let Ok(begun) = self.begin(chosen, reason) {
                return Ok(begun);
            }
        }
        Err(if self.limit.is_some() { NoChoice::Full } else { NoChoice::None })
    }
}

/// Two at random of those that are wanted; twice the same if there is one.
fn two(
    instances: &[Arc<Instance>],
    wanted: impl Fn(&Arc<Instance>) -> bool,
) -> Option<(&Arc<Instance>, &Arc<Instance>)> {
    let random: u64 = rand::random();
    let (first, second) = distinct(random, instances.len())?;
    if let (Some(first), Some(second)) = (instances.get(first), instances.get(second))
        && wanted(first)
        && wanted(second)
    {
        return Some((first, second));
    }
    let nth = |index: usize| instances.iter().filter(|instance| wanted(instance)).nth(index);
    let count = instances.iter().filter(|instance| wanted(instance)).count();
    let Some((first, second)) = distinct(random, count) else { return nth(0).map(|only| (only, only)) };
    // Either may have left the choice since it was counted.
    match (nth(first), nth(second)) {
        (Some(first), Some(second)) => Some((first, second)),
        (first, second) => first.or(second).or_else(|| nth(0)).map(|only| (only, only)),
    }
}

/// Two different indices below a count, from one random number.
fn distinct(random: u64, count: usize) -> Option<(usize, usize)> {
    let below = |half: u64, count: usize| ((half * count as u64) >> 32) as usize;
    let first = below(random >> 32, count);
    let second = below(random & u64::from(u32::MAX), count.checked_sub(1).filter(|rest| *rest > 0)?);
    Some((first, if second >= first { second + 1 } else { second }))
}

fn cheaper<'a>(first: &'a Arc<Instance>, second: &'a Arc<Instance>, now: u64) -> &'a Arc<Instance> {
    let (busy, other) = (first.in_flight(), second.in_flight());
    let is_second = match (first.latency.cost(busy, now), second.latency.cost(other, now)) {
        (Some(first), Some(second)) => second < first,
        _ => other < busy,
    };
    if is_second { second } else { first }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use proptest::prelude::{prop_assert, proptest};

    use super::*;
    use crate::instance::tests::{begin, instances};

    fn chosen(all: &[Arc<Instance>], wanted: Wanted<'_>) -> String {
        choose(all, wanted).unwrap().instance().id.clone()
    }

    fn shares(all: &[Arc<Instance>]) -> HashMap<String, usize> {
        let mut shares = HashMap::new();
        for _ in 0..300 {
            *shares.entry(chosen(all, Wanted::default())).or_default() += 1;
        }
        shares
    }

    fn eject(instance: &Instance, at: u64) {
        assert!(instance.health.failed(Reason::Healthy, NonZeroU32::new(1), at));
    }

    #[test]
    fn a_busy_instance_gets_fewer_requests() {
        let all = instances(2);
        let held: Vec<_> = (0..10).map(|_| begin(&all[0])).collect();
        assert_eq!(shares(&all), HashMap::from([("c1".to_owned(), 300)]));
        drop(held);
        assert_eq!(all[0].in_flight(), 0);
    }

    #[test]
    fn all_idle_instances_get_requests() {
        assert_eq!(shares(&instances(3)).len(), 3);
    }

    #[test]
    fn a_slow_instance_gets_requests_when_the_fast_ones_are_busy() {
        let all = instances(2);
        all[0].latency.observe(Duration::from_millis(99), clock::now());
        all[1].latency.observe(Duration::from_millis(9), clock::now());
        let mut held = Vec::new();
        let mut slow = 0;
        for _ in 0..55 {
            let request = choose(&all, Wanted::default()).unwrap();
            slow += usize::from(request.instance().id == "c0");
            held.push(request);
        }
        assert!((10..=17).contains(&slow), "ten times as slow is a third of the requests under way: {slow}");
    }

    #[test]
    fn a_new_instance_is_not_flooded() {
        let all = instances(3);
        for known in &all[..2] {
            known.latency.observe(Duration::from_millis(100), clock::now());
        }
        let held: Vec<_> = (0..30).map(|_| choose(&all, Wanted::default()).unwrap()).collect();
        assert!((5..=15).contains(&all[2].in_flight()), "{}", all[2].in_flight());
        drop(held);
    }

    #[test]
    fn what_is_not_healthy_comes_last_and_what_was_tried_never() {
        let all = instances(3);
        all[0].set_retired(true);
        all[1].health.refused(clock::now());
        for _ in 0..50 {
            assert_eq!(chosen(&all, Wanted::default()), "c2");
        }
        let tried = [all[2].number];
        assert_eq!(chosen(&all, Wanted { tried: &tried, ..Wanted::default() }), "c1");
        let tried = [all[1].number, all[2].number];
        let none = choose(&all, Wanted { tried: &tried, ..Wanted::default() });
        assert_eq!(none.err(), Some(NoChoice::None));
        eject(&all[2], clock::now());
        assert_eq!(shares(&all).len(), 2, "all are bad, so all are used");
    }

    #[test]
    fn an_ejected_instance_gets_one_request_when_its_time_is_over() {
        let all = instances(3);
        eject(&all[0], clock::now());
        assert_eq!(shares(&all).len(), 2);
        let long_ago = instances(3);
        long_ago[0].health.failed(Reason::Healthy, NonZeroU32::new(1), 0);
        // The ejection at time zero is over as soon as the process is five seconds old; the test need not wait.
        let now = 5_001;
        let probe = Wanted::default().probe(&long_ago, now).unwrap();
        assert_eq!(probe.instance().id, "c0");
        assert!(Wanted::default().probe(&long_ago, now).is_none(), "one at a time");
        drop(probe);
        let mut again = Wanted::default().probe(&long_ago, now).unwrap();
        assert!(!again.answered(200, Duration::ZERO, None));
        assert_eq!(long_ago[0].health.condition(now), Condition::Healthy);
    }

    #[test]
    fn a_client_stays_at_home_while_home_is_fit() {
        let all = instances(3);
        let wanted = Wanted { home: Some(all[1].number), ..Wanted::default() };
        let held: Vec<_> = (0..10).map(|_| choose(&all, wanted).unwrap()).collect();
        assert_eq!(all[1].in_flight(), 10);
        drop(held);
        eject(&all[1], clock::now());
        assert_ne!(chosen(&all, wanted), "c1");
        assert!(choose(&all, Wanted { home: Some(0), ..Wanted::default() }).is_ok(), "home is gone");
    }

    #[test]
    fn a_lost_request_goes_elsewhere_if_there_is_another() {
        let all = instances(2);
        let wanted = Wanted { lost: Some(all[0].number), ..Wanted::default() };
        for _ in 0..50 {
            assert_eq!(chosen(&all, wanted), "c1");
        }
        all[1].set_retired(true);
        assert_eq!(chosen(&all, wanted), "c0");
    }

    #[test]
    fn full_instances_are_not_chosen_and_bad_ones_do_not_stand_in_for_them() {
        let queue = Arc::<Queue>::default();
        let wanted = Wanted { limit: Some((2, &queue)), ..Wanted::default() };
        let all = instances(3);
        eject(&all[2], clock::now());
        let held: Vec<_> = (0..4).map(|_| choose(&all, wanted).unwrap()).collect();
        assert_eq!(choose(&all, wanted).err(), Some(NoChoice::Full));
        drop(held);
        assert!(choose(&all, wanted).is_ok());
        let only = instances(1);
        let held = [choose(&only, wanted), choose(&only, wanted)];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(choose(&only, wanted).err(), Some(NoChoice::Full));
    }

    proptest! {
        #[test]
        fn two_indices_are_two_and_below(random: u64, count in 2_usize..1_000) {
            let (first, second) = distinct(random, count).unwrap();
            prop_assert!(first != second && first < count && second < count);
        }
    }
}
