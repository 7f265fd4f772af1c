//! Which process types a setting holds for.

use std::fmt;
use std::str::FromStr;

use crate::model::process_type::{ProcessType, ProcessTypeError};

/// One process type, or all those that have no setting of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProcessScope {
    /// All, written `_default_`.
    Default,
    /// This one.
    Only(ProcessType),
}

/// What stands for [`ProcessScope::Default`], as in Dokku.
pub const DEFAULT: &str = "_default_";

impl ProcessScope {
    /// The scope as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Default => DEFAULT,
            Self::Only(process_type) => process_type.as_str(),
        }
    }

    /// Whether a setting with this scope holds for a process type.
    pub fn includes(&self, process_type: &ProcessType) -> bool {
        match self {
            Self::Default => true,
            Self::Only(only) => only == process_type,
        }
    }

    /// Whether there can be a process type for which both hold.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Only(one), Self::Only(other)) => one == other,
            _ => true,
        }
    }
}

impl FromStr for ProcessScope {
    type Err = ProcessTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == DEFAULT { Ok(Self::Default) } else { Ok(Self::Only(text.parse()?)) }
    }
}

impl fmt::Display for ProcessScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
