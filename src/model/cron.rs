//! Scheduled tasks and the record of their runs.

use std::fmt;
use std::str::FromStr;

use crate::model::app_json::CronEntry;

/// How long an id is: 60 bits in base 36.
const ID_LENGTH: usize = 12;

/// A task's id within its app: made from its command and its schedule, so that it stays through deploys and renames
/// and changes with either.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CronTaskId(String);

/// A text that is not a task's id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a task's id")]
pub struct CronTaskIdError(String);

impl CronTaskId {
    /// The ids of an `app.json`'s tasks, in its order. A task that stands there twice has two.
    pub fn of(entries: &[CronEntry]) -> Vec<Self> {
        let same = |one: &CronEntry, other: &CronEntry| {
            one.command == other.command && one.schedule == other.schedule
        };
        let ids = entries.iter().enumerate().map(|(index, entry)| {
            let earlier = entries.iter().take(index).filter(|other| same(entry, other)).count();
            Self::hash(&format!("{}==={}==={earlier}", entry.command, entry.schedule))
        });
        ids.collect()
    }

    /// FNV-1a (64 bits): the same in every version of Slipway, and no secret depends on it.
    fn hash(text: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        let mut left = hash >> 4;
        let mut digits = Vec::with_capacity(ID_LENGTH);
        for _ in 0..ID_LENGTH {
            digits.push(char::from_digit(u32::try_from(left % 36).unwrap_or(0), 36).unwrap_or('0'));
            left /= 36;
        }
        Self(digits.into_iter().rev().collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CronTaskId {
    type Err = CronTaskIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.len() == ID_LENGTH && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(CronTaskIdError(text.to_owned()))
        }
    }
}

impl fmt::Display for CronTaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a task ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronTrigger {
    /// It was due.
    Schedule,
    /// Somebody asked for it (`cron:run`).
    Manual,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronStatus {
    /// Under way.
    Running,
    /// It ended with 0.
    Succeeded,
    /// It ended with another code, or could not be started.
    Failed,
    /// It was ended because its time was over.
    TimedOut,
    /// Somebody ended it.
    Stopped,
    /// It was ended because the next one was due.
    Replaced,
    /// It was left out because an earlier one was still going on.
    Skipped,
    /// It was due while nobody could run it. One record may stand for many.
    Missed,
}

/// A word that the database holds and this version does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not known")]
pub struct UnknownWord(String);

const TRIGGERS: [(CronTrigger, &str); 2] =
    [(CronTrigger::Schedule, "schedule"), (CronTrigger::Manual, "manual")];

const STATUSES: [(CronStatus, &str); 8] = [
    (CronStatus::Running, "running"),
    (CronStatus::Succeeded, "succeeded"),
    (CronStatus::Failed, "failed"),
    (CronStatus::TimedOut, "timed-out"),
    (CronStatus::Stopped, "stopped"),
    (CronStatus::Replaced, "replaced"),
    (CronStatus::Skipped, "skipped"),
    (CronStatus::Missed, "missed"),
];

fn word<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table.iter().find(|(known, _)| known == value).map_or("", |(_, word)| word)
}

fn value<T: Copy>(table: &[(T, &'static str)], word: &str) -> Result<T, UnknownWord> {
    let found = table.iter().find(|(_, known)| *known == word).map(|(value, _)| *value);
    found.ok_or_else(|| UnknownWord(word.to_owned()))
}

impl fmt::Display for CronTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&TRIGGERS, self))
    }
}

impl FromStr for CronTrigger {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        value(&TRIGGERS, text)
    }
}

impl fmt::Display for CronStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&STATUSES, self))
    }
}

impl FromStr for CronStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        value(&STATUSES, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app_json::ConcurrencyPolicy;

    fn entry(command: &str, schedule: &str) -> CronEntry {
        let (command, schedule) = (command.to_owned(), schedule.to_owned());
        CronEntry { command, schedule, concurrency_policy: ConcurrencyPolicy::Allow, maintenance: false }
    }

    #[test]
    fn ids_are_short_their_own_and_the_same_in_every_version() {
        let entries = [entry("true", "@daily"), entry("true", "@hourly"), entry("true", "@daily")];
        let ids = CronTaskId::of(&entries);
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2], "{ids:?}");
        assert_eq!(CronTaskId::of(&entries[..1]), ids[..1]);
        assert_eq!(ids[0].as_str(), "53hegtq67aes");
        for id in &ids {
            assert_eq!(id.as_str().parse().as_ref(), Ok(id));
        }
        assert!("../../etc".parse::<CronTaskId>().is_err());
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for (status, word) in STATUSES {
            assert_eq!((status.to_string().as_str(), word.parse()), (word, Ok(status)));
        }
        for (trigger, word) in TRIGGERS {
            assert_eq!((trigger.to_string().as_str(), word.parse()), (word, Ok(trigger)));
        }
    }
}
