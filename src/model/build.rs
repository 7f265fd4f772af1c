//! The record of one build or deploy.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildKind {
    /// A source was built, released and run.
    Build,
    /// A release was run without a build: a config change, a rollback, a restart.
    Deploy,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildStatus {
    /// Waiting for its turn.
    Queued,
    /// Under way.
    Running,
    /// The new release serves.
    Succeeded,
    /// The old release serves.
    Failed,
    /// Ended by `builds:cancel` or by a client that went away.
    Canceled,
}

/// One build or deploy of an app. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Build {
    /// Its number, unique over all apps.
    pub id: i64,
    /// The app's name.
    pub app: String,
    /// What was done.
    pub kind: BuildKind,
    /// How it stands.
    pub status: BuildStatus,
    /// What it was made from: a commit, an image, `restart`.
    pub source: String,
    /// Who asked for it.
    pub started_by: String,
    /// When it began.
    #[serde(skip)]
    pub started_at: i64,
    /// When it ended, if it has.
    #[serde(skip)]
    pub finished_at: Option<i64>,
}

macro_rules! text_enum {
    ($type:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),* })
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownWord { word: text.to_owned(), known: &[$($text),*] }),
                }
            }
        }
    };
}

/// A word that is none of those allowed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{word} is not one of {}", known.join(", "))]
pub struct UnknownWord {
    word: String,
    known: &'static [&'static str],
}

text_enum!(BuildKind { Build = "build", Deploy = "deploy" });
text_enum!(BuildStatus { Queued = "queued", Running = "running", Succeeded = "succeeded", Failed = "failed", Canceled = "canceled" });
