//! Which scheduled tasks are due. Pure: it is told what time it is.
//!
//! Every task has a moment up to which its due times were dealt with. What is due behind it is run if that was less
//! than a minute ago, which is as exact as a schedule is; what is older was missed, and is reported and not made up
//! for. So nothing runs twice, and a host that comes back from a night's downtime does not do the night's work at once.

use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::model::app_json::CronEntry;
use crate::model::app_name::AppName;
use crate::model::cron::CronTaskId;
use crate::model::cron_schedule::CronSchedule;
use crate::store::apps::AppId;
use crate::store::cron::CronTaskState;

/// How late a task may begin.
const PUNCTUAL: SignedDuration = SignedDuration::from_mins(1);
/// The longest sleep, so that a clock that was set is noticed.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// A clock that was set back by less than this only waits until it has caught up, so that nothing runs twice; by
/// more, it was wrong before.
const SET_BACK: SignedDuration = SignedDuration::from_hours(3);
/// More missed due times are not counted.
const MOST_MISSED: u32 = 10_000;

/// Which task of which app.
pub type TaskKey = (AppId, CronTaskId);

/// A scheduled task as it should be.
#[derive(Clone, Debug)]
pub struct Task {
    /// The app.
    pub app: AppId,
    /// Its name.
    pub app_name: AppName,
    /// The task's id.
    pub id: CronTaskId,
    /// What the app's `app.json` says of it.
    pub entry: CronEntry,
    /// When it is due.
    pub schedule: CronSchedule,
    /// On which clocks.
    pub zone: TimeZone,
    /// Whether it is left out for now.
    pub paused: bool,
}

/// A task with something to be done about.
#[derive(Clone, Debug)]
pub struct Due {
    /// The task.
    pub task: Task,
    /// When it was due, if it has to run now.
    pub run: Option<Timestamp>,
    /// How many due times went by, and the last of them.
    pub missed: Option<(u32, Timestamp)>,
}

/// What has to be remembered of tasks so that the next start knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Tasks that are accounted for up to now.
    pub remember: Vec<TaskKey>,
    /// Tasks that are in no release any more.
    pub forget: Vec<TaskKey>,
}

/// All scheduled tasks.
#[derive(Debug, Default)]
pub struct Agenda {
    loaded: bool,
    items: HashMap<TaskKey, Item>,
}

#[derive(Clone, Debug)]
struct Item {
    task: Task,
    /// Up to when its due times were dealt with.
    accounted: Timestamp,
    /// The first due time behind that.
    next: Option<Timestamp>,
}

impl Agenda {
    /// Takes the tasks as they are now. Only the first time, at the server's start, what is remembered says since
    /// when due times count; later on a task that is new, or was left out, or has other clocks, counts from now on.
    pub fn load(&mut self, tasks: Vec<Task>, states: &[CronTaskState], now: Timestamp) -> Changes {
        let mut changes = Changes::default();
        let mut items = HashMap::new();
        for task in tasks {
            let key = (task.app, task.id.clone());
            let accounted = match self.items.get(&key) {
                Some(old) if (task.paused || !old.task.paused) && old.task.zone == task.zone => {
                    Some(old.accounted)
                }
                None if !self.loaded => remembered(states, &key),
                _ => None,
            };
            if accounted.is_none() {
                changes.remember.push(key.clone());
            }
            let accounted = accounted.unwrap_or(now);
            let next = task.schedule.next(accounted, &task.zone);
            items.insert(key, Item { task, accounted, next });
        }
        let known = states.iter().map(|state| (state.app, state.task.clone()));
        changes.forget = known.filter(|key| !items.contains_key(key)).collect();
        *self = Self { loaded: true, items };
        changes
    }

    /// What is due at `now`. Each due time is given once.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Due> {
        self.items.values_mut().filter_map(|item| item.advance(now)).collect()
    }

    /// How long nothing is due, at most a minute.
    pub fn pause(&self, now: Timestamp) -> Duration {
        let due = self.items.values().filter(|item| !item.task.paused).filter_map(|item| item.next);
        let pause = due.map(|next| next.duration_since(now)).min().unwrap_or(LONGEST_PAUSE);
        pause.clamp(SignedDuration::ZERO, LONGEST_PAUSE).unsigned_abs()
    }
}

fn remembered(states: &[CronTaskState], (app, task): &TaskKey) -> Option<Timestamp> {
    let state = states.iter().find(|state| state.app == *app && state.task == *task)?;
    Timestamp::from_second(state.accounted).ok()
}

impl Item {
    fn advance(&mut self, now: Timestamp) -> Option<Due> {
        if self.task.paused || self.accounted.duration_since(now) > SET_BACK {
            self.account(now);
            return None;
        }
        let mut due = Due { task: self.task.clone(), run: None, missed: None };
        while let Some(next) = self.next.filter(|next| *next <= now) {
            if now.duration_since(next) < PUNCTUAL {
                due.run = Some(next);
                self.account(next);
                continue;
            }
            let count = due.missed.map_or(0, |(count, _)| count) + 1;
            due.missed = Some((count, next));
            // Who counts no further still must not run what is old.
            self.account(if count < MOST_MISSED { next } else { now });
        }
        (due.run.is_some() || due.missed.is_some()).then_some(due)
    }

    fn account(&mut self, moment: Timestamp) {
        self.accounted = moment;
        self.next = self.task.schedule.next(moment, &self.task.zone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app_json::ConcurrencyPolicy;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn task(schedule: &str, zone: &str) -> Task {
        let entry = CronEntry {
            command: "true".to_owned(),
            schedule: schedule.to_owned(),
            concurrency_policy: ConcurrencyPolicy::Allow,
            maintenance: false,
        };
        Task {
            app: AppId(1),
            app_name: "blog".parse().unwrap(),
            id: CronTaskId::of(std::slice::from_ref(&entry)).remove(0),
            entry,
            schedule: schedule.parse().unwrap(),
            zone: TimeZone::get(zone).unwrap(),
            paused: false,
        }
    }

    fn state(task: &Task, accounted: &str, suspended: bool) -> CronTaskState {
        let accounted = at(accounted).as_second();
        CronTaskState { app: task.app, task: task.id.clone(), suspended, accounted }
    }

    /// An agenda with one task that is new at that time.
    fn agenda(task: Task, now: &str) -> Agenda {
        let mut agenda = Agenda::default();
        assert_eq!(agenda.load(vec![task], &[], at(now)).remember.len(), 1);
        agenda
    }

    /// `run TIME`, `missed COUNT until TIME`, or nothing.
    fn shown(dues: &[Due]) -> String {
        let one = |due: &Due| {
            let run = due.run.map(|time| format!("run {time}"));
            let missed = due.missed.map(|(count, last)| format!("missed {count} until {last}"));
            missed.into_iter().chain(run).collect::<Vec<_>>().join(", ")
        };
        dues.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    fn advance(agenda: &mut Agenda, now: &str) -> String {
        shown(&agenda.advance(at(now)))
    }

    #[test]
    fn a_task_runs_when_it_is_due_and_once() {
        let mut agenda = agenda(task("*/5 * * * *", "UTC"), "2026-05-01T12:03:10Z");
        assert_eq!(advance(&mut agenda, "2026-05-01T12:03:10Z"), "");
        assert_eq!(agenda.pause(at("2026-05-01T12:04:30Z")), Duration::from_secs(30));
        assert_eq!(agenda.pause(at("2026-05-01T12:03:10Z")), Duration::from_secs(60));
        assert_eq!(advance(&mut agenda, "2026-05-01T12:05:00Z"), "run 2026-05-01T12:05:00Z");
        assert_eq!(advance(&mut agenda, "2026-05-01T12:05:00Z"), "");
        // A server that is busy is a little late.
        assert_eq!(advance(&mut agenda, "2026-05-01T12:10:59Z"), "run 2026-05-01T12:10:00Z");
        assert_eq!(advance(&mut agenda, "2026-05-01T12:11:01Z"), "");
    }

    #[test]
    fn what_was_due_during_a_downtime_is_reported_and_not_run() {
        let task = task("*/5 * * * *", "UTC");
        let states = [state(&task, "2026-05-01T12:00:00Z", false)];
        let mut agenda = Agenda::default();
        let changes = agenda.load(vec![task], &states, at("2026-05-01T13:02:00Z"));
        assert_eq!(changes, Changes::default());
        assert_eq!(advance(&mut agenda, "2026-05-01T13:02:00Z"), "missed 12 until 2026-05-01T13:00:00Z");
        assert_eq!(advance(&mut agenda, "2026-05-01T13:02:00Z"), "");
        assert_eq!(advance(&mut agenda, "2026-05-01T13:05:00Z"), "run 2026-05-01T13:05:00Z");
    }

    #[test]
    fn a_restart_within_the_minute_misses_nothing() {
        let task = task("*/5 * * * *", "UTC");
        let states = [state(&task, "2026-05-01T12:00:00Z", false)];
        let mut agenda = Agenda::default();
        agenda.load(vec![task], &states, at("2026-05-01T12:05:40Z"));
        assert_eq!(advance(&mut agenda, "2026-05-01T12:05:40Z"), "run 2026-05-01T12:05:00Z");
    }

    #[test]
    fn years_of_downtime_are_counted_up_to_a_bound() {
        let task = task("* * * * *", "UTC");
        let states = [state(&task, "2020-01-01T00:00:00Z", false)];
        let mut agenda = Agenda::default();
        agenda.load(vec![task], &states, at("2026-05-01T12:05:40Z"));
        assert!(advance(&mut agenda, "2026-05-01T12:05:40Z").starts_with("missed 10000 until 2020"));
        assert_eq!(advance(&mut agenda, "2026-05-01T12:05:40Z"), "");
        assert_eq!(advance(&mut agenda, "2026-05-01T12:06:00Z"), "run 2026-05-01T12:06:00Z");
    }

    #[test]
    fn a_clock_that_is_set_forward_misses_and_one_that_is_set_back_runs_nothing_twice() {
        let mut agenda = agenda(task("0 * * * *", "UTC"), "2026-05-01T12:30:00Z");
        assert_eq!(advance(&mut agenda, "2026-05-01T15:30:00Z"), "missed 3 until 2026-05-01T15:00:00Z");
        // Back by two hours: 14:00 and 15:00 are done.
        assert_eq!(advance(&mut agenda, "2026-05-01T13:30:00Z"), "");
        assert_eq!(advance(&mut agenda, "2026-05-01T14:00:00Z"), "");
        assert_eq!(advance(&mut agenda, "2026-05-01T15:00:00Z"), "");
        assert_eq!(advance(&mut agenda, "2026-05-01T16:00:00Z"), "run 2026-05-01T16:00:00Z");
        // Back by a year: it was wrong before.
        assert_eq!(advance(&mut agenda, "2025-05-01T11:59:30Z"), "");
        assert_eq!(advance(&mut agenda, "2025-05-01T12:00:00Z"), "run 2025-05-01T12:00:00Z");
    }

    #[test]
    fn what_is_due_while_a_task_is_paused_is_forgotten() {
        let paused = Task { paused: true, ..task("0 * * * *", "UTC") };
        let states = [state(&paused, "2026-05-01T08:00:00Z", true)];
        let mut agenda = Agenda::default();
        agenda.load(vec![paused.clone()], &states, at("2026-05-01T12:30:00Z"));
        assert_eq!(advance(&mut agenda, "2026-05-01T13:00:00Z"), "");
        assert_eq!(agenda.pause(at("2026-05-01T13:59:59Z")), Duration::from_secs(60));
        let resumed = Task { paused: false, ..paused };
        let changes = agenda.load(vec![resumed.clone()], &states, at("2026-05-01T14:00:30Z"));
        assert_eq!(changes.remember, [(resumed.app, resumed.id.clone())]);
        assert_eq!(advance(&mut agenda, "2026-05-01T14:00:30Z"), "");
        assert_eq!(advance(&mut agenda, "2026-05-01T15:00:00Z"), "run 2026-05-01T15:00:00Z");
    }

    #[test]
    fn a_deploy_changes_tasks_at_once_and_makes_up_for_nothing() {
        let (old, new) = (task("0 * * * *", "UTC"), task("30 * * * *", "UTC"));
        let mut agenda = agenda(old.clone(), "2026-05-01T12:10:00Z");
        let states = [state(&old, "2026-05-01T12:10:00Z", false), state(&new, "2026-01-01T00:00:00Z", false)];
        let changes = agenda.load(vec![new.clone()], &states, at("2026-05-01T12:20:00Z"));
        assert_eq!((changes.remember.len(), changes.forget), (1, vec![(old.app, old.id)]));
        assert_eq!(advance(&mut agenda, "2026-05-01T12:30:00Z"), "run 2026-05-01T12:30:00Z");
        // The same once more, as every change of anything has it read anew.
        assert_eq!(agenda.load(vec![new], &states[1..], at("2026-05-01T12:30:01Z")), Changes::default());
        assert_eq!(advance(&mut agenda, "2026-05-01T12:30:02Z"), "");
    }

    #[test]
    fn another_time_zone_counts_from_now_on() {
        let mut agenda = agenda(task("0 12 * * *", "UTC"), "2026-05-01T11:30:00Z");
        let changes = agenda.load(vec![task("0 12 * * *", "Europe/Berlin")], &[], at("2026-05-01T11:40:00Z"));
        assert_eq!(changes.remember.len(), 1);
        assert_eq!(advance(&mut agenda, "2026-05-01T12:00:00Z"), "");
        assert_eq!(advance(&mut agenda, "2026-05-02T10:00:00Z"), "run 2026-05-02T10:00:00Z");
    }

    /// Walks over the day on which the clocks change, a minute at a time, as the scheduler does.
    fn runs_over(task: Task, from: &str, minutes: i64) -> String {
        let mut agenda = agenda(task, from);
        let walk = (0..minutes).map(|minute| at(from) + SignedDuration::from_mins(minute));
        let runs: Vec<Due> = walk.flat_map(|now| agenda.advance(now)).collect();
        shown(&runs)
    }

    #[test]
    fn the_hour_that_is_skipped_and_the_hour_that_comes_twice_run_a_daily_task_once() {
        let daily = || task("30 2 * * *", "Europe/Berlin");
        assert_eq!(runs_over(daily(), "2026-03-28T23:00:00Z", 24 * 60), "run 2026-03-29T01:00:00Z");
        assert_eq!(runs_over(daily(), "2026-10-24T22:00:00Z", 25 * 60), "run 2026-10-25T00:30:00Z");
        let hourly = task("30 * * * *", "Europe/Berlin");
        let of_the_night = "run 2026-10-24T23:30:00Z; run 2026-10-25T00:30:00Z; run 2026-10-25T01:30:00Z";
        assert_eq!(runs_over(hourly, "2026-10-24T23:00:00Z", 3 * 60), of_the_night);
    }
}
