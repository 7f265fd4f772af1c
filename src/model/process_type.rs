//! Process types (`web`, `worker`) and their numbered instances (`web.1`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most instances of one process type: a slip of the finger should not fill the host.
pub const MOST_INSTANCES: u32 = 100;

/// A process type's name: a DNS label (RFC 1123, section 2.1), as Dokku's Procfile rules have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcessType(String);

/// A text that is not a process type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a valid process name: use lowercase letters, digits and hyphens, at most 63")]
pub struct ProcessTypeError(String);

impl ProcessType {
    /// The process type that receives HTTP requests.
    pub fn web() -> Self {
        Self("web".to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the release phase: run by a deploy once, never as instances (Heroku's word).
    pub fn is_release(&self) -> bool {
        self.0 == "release"
    }

    /// Whether HTTP requests go to this process type.
    pub fn is_web(&self) -> bool {
        self.0 == "web"
    }
}

impl FromStr for ProcessType {
    type Err = ProcessTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if (1..=63).contains(&text.len()) && edges && text.bytes().all(inner) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ProcessTypeError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for ProcessType {
    type Error = ProcessTypeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProcessType> for String {
    fn from(name: ProcessType) -> Self {
        name.0
    }
}

impl fmt::Display for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One place in the formation: `web.1` is the first `web`. Counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceName {
    /// The process type.
    pub process_type: ProcessType,
    /// The number, from 1.
    pub index: u32,
}

impl FromStr for InstanceName {
    type Err = ProcessTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ProcessTypeError(text.to_owned());
        let (process_type, index) = text.rsplit_once('.').ok_or_else(wrong)?;
        let index = index.parse().ok().filter(|index| *index > 0).ok_or_else(wrong)?;
        Ok(Self { process_type: process_type.parse()?, index })
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process_type, self.index)
    }
}
