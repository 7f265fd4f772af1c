//! Why there is no image.

use std::fmt;
use std::io;

use crate::docker::error::EngineError;

/// How many of a failed step's last lines are kept.
pub const LAST_LINES: usize = 20;

/// Why a build gave no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A step of the Dockerfile failed.
    #[error("{0}")]
    Step(Box<FailedStep>),
    /// The builder would not begin or go on: a Dockerfile that is missing or wrong, an image that is not there.
    #[error("{0}")]
    Rejected(String),
    /// The source could not be read to its end.
    #[error("the source could not be read")]
    Context(#[source] io::Error),
    /// Somebody cancelled it.
    #[error("the build was cancelled")]
    Cancelled,
    /// The engine itself failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedStep {
    /// Its number and instruction, for example `Step 2/5 : RUN make`.
    pub title: String,
    /// Its process's exit code, if it got as far as running one.
    pub exit_code: Option<i64>,
    /// What the builder says.
    pub message: String,
    /// The last lines of its output, at most [`LAST_LINES`].
    pub last_lines: Vec<String>,
}

impl fmt::Display for FailedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit_code {
            Some(code) => write!(f, "{} failed with exit code {code}", self.title),
            None => write!(f, "{} failed: {}", self.title, self.message),
        }
    }
}
