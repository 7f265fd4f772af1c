//! The phases of an app's life, as `docker-options` and `storage` name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// When a container is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// While an image is built.
    Build,
    /// As an instance.
    Deploy,
    /// As a release task, a one-off or a scheduled process.
    Run,
}

/// A text that names no phase.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Phase(s) must be one of [build deploy run]")]
pub struct PhaseError;

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Build, Self::Deploy, Self::Run];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Deploy => "deploy",
            Self::Run => "run",
        }
    }

    /// Reads `deploy,run`: each phase once, in the phases' own order.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, PhaseError> {
        let mut phases: Vec<Self> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        phases.sort_unstable();
        phases.dedup();
        Ok(phases)
    }
}

impl FromStr for Phase {
    type Err = PhaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text).ok_or(PhaseError)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
