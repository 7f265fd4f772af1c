//! Releases: what runs is always one of these, and none is ever modified.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::additions::Additions;
use crate::model::app_json::AppJson;
use crate::model::config_var::ConfigVars;
use crate::model::process_type::ProcessType;

/// A release's number within its app: v1, v2, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseVersion(pub u32);

/// A text that is not a release's number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a release: write a number from `releases`, for example v12")]
pub struct ReleaseVersionError(String);

impl FromStr for ReleaseVersion {
    type Err = ReleaseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('v').unwrap_or(text).parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| ReleaseVersionError(text.to_owned()))
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// An image as the engine knows it: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(pub String);

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a release's image came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Source {
    /// A commit that was pushed or fetched.
    Git {
        /// The commit's object name in hexadecimal.
        commit: String,
    },
    /// An image from a registry or from the engine.
    Image {
        /// As the person wrote it.
        reference: String,
    },
}

/// The entry point of images that buildpacks made.
pub const SHELL_ENTRYPOINT: &str = "/slipway/start";

/// How one process type is started: arguments for the image's entry point, or the image's own command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessCommand {
    /// What the image itself says.
    Image,
    /// The Procfile's words, already split.
    Arguments(Vec<String>),
    /// A command line as it is, for the shell that the image's entry point starts: an image made by buildpacks.
    Line(String),
}

impl fmt::Display for ProcessCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.write_str("(the image's own command)"),
            Self::Arguments(words) => f.write_str(&words.join(" ")),
            Self::Line(line) => f.write_str(line),
        }
    }
}

/// What a release consists of, before it has a number.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseContent {
    /// The image that is run.
    pub image: ImageId,
    /// Where the image came from.
    pub source: Source,
    /// The config vars of this release, global ones included.
    pub config: ConfigVars,
    /// Its process types and how each is started.
    pub processes: BTreeMap<ProcessType, ProcessCommand>,
    /// TCP ports that the image exposes, in ascending order.
    pub exposed_ports: Vec<u16>,
    /// What its `app.json` asks for.
    pub app_json: AppJson,
    /// What plugins add to it.
    pub additions: Additions,
}

/// A recorded release.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Its row, unique over all apps.
    pub id: i64,
    /// Its number within the app.
    pub version: ReleaseVersion,
    /// When it was recorded, seconds since the Unix epoch.
    pub created_at: i64,
    /// The name of who caused it.
    pub created_by: String,
    /// What caused it, in a few words: `Deploy 1f6c3a2`, `Set A, B`, `Rollback to v3`.
    pub description: String,
    /// What it consists of.
    pub content: ReleaseContent,
    /// In which quantities its process types ran last; empty until it has served.
    pub formation: BTreeMap<ProcessType, u32>,
}

impl ReleaseContent {
    /// What sets up the environment of a process, if an image made by buildpacks does: it is put in front of what a
    /// person wants to run there.
    pub fn shell_entrypoint(&self) -> Option<&'static str> {
        let is_line = |command: &ProcessCommand| matches!(command, ProcessCommand::Line(_));
        self.processes.values().any(is_line).then_some(SHELL_ENTRYPOINT)
    }

    /// The port given to web processes as `PORT`: the config var of that name, else the lowest exposed one, else 5000.
    pub fn web_port(&self) -> u16 {
        let config = self.config.iter().find(|(key, _)| key.as_str() == "PORT");
        let of_config = config.and_then(|(_, value)| value.expose().parse().ok());
        of_config.or(self.exposed_ports.first().copied()).unwrap_or(5000)
    }
}
