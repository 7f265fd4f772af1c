//! Some of an app's process types, or all of them: `web,worker`, `_all_`, `none`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::model::process_type::{ProcessType, ProcessTypeError};

/// Dokku's word for all process types, also those that will come.
const ALL: &str = "_all_";
/// Dokku's word for no process type.
const NONE: &str = "none";

/// Which process types something holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessSelection {
    /// All, also those that will come.
    All,
    /// These.
    These(BTreeSet<ProcessType>),
}

impl Default for ProcessSelection {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl ProcessSelection {
    /// Whether it holds for a process type.
    pub fn contains(&self, process_type: &ProcessType) -> bool {
        match self {
            Self::All => true,
            Self::These(types) => types.contains(process_type),
        }
    }

    /// Whether it holds for none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::These(types) if types.is_empty())
    }

    /// Both together. Whoever names some where all were meant means only these, as in Dokku.
    #[must_use]
    pub fn with(self, other: &Self) -> Self {
        match (self, other) {
            (Self::These(mut own), Self::These(more)) => {
                own.extend(more.iter().cloned());
                Self::These(own)
            }
            _ => other.clone(),
        }
    }

    /// This one without the other. From all only all can be taken: which others there are is not known.
    #[must_use]
    pub fn without(self, other: &Self) -> Self {
        match (self, other) {
            (_, Self::All) => Self::default(),
            (Self::All, Self::These(_)) => Self::All,
            (Self::These(own), Self::These(less)) => Self::These(own.difference(less).cloned().collect()),
        }
    }
}

impl FromStr for ProcessSelection {
    type Err = ProcessTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            ALL => Ok(Self::All),
            NONE => Ok(Self::default()),
            list => {
                Ok(Self::These(list.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>()?))
            }
        }
    }
}

impl fmt::Display for ProcessSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str(ALL),
            Self::These(types) if types.is_empty() => f.write_str(NONE),
            Self::These(types) => {
                let names: Vec<&str> = types.iter().map(ProcessType::as_str).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_joined_and_taken_from() {
        let list = |text: &str| text.parse::<ProcessSelection>().unwrap();
        assert_eq!(list("worker, web").to_string(), "web,worker");
        assert_eq!(list("web").with(&list("worker")).to_string(), "web,worker");
        assert_eq!(list("web,worker").without(&list("web")).to_string(), "worker");
        assert_eq!(list("web").with(&list("_all_")).to_string(), "_all_");
        assert_eq!(list("_all_").with(&list("web")).to_string(), "web");
        assert_eq!(list("_all_").without(&list("web")).to_string(), "_all_");
        assert_eq!(list("web").without(&list("_all_")).to_string(), "none");
        assert!(list("none").is_empty() && list("_all_").contains(&ProcessType::web()));
        assert!("web,,worker".parse::<ProcessSelection>().is_err());
    }
}
