//! The labels that Slipway puts on what it makes, and Dokku's labels that tools look for.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::model::app_name::AppName;
use crate::model::process_type::{InstanceName, ProcessType};
use crate::model::release::ReleaseVersion;

/// Whose thing it is: the [`OwnerId`].
pub const OWNER: &str = "slipway.owner";
/// The app's name.
pub const APP: &str = "slipway.app";
/// The process type, for example `web`.
pub const PROCESS_TYPE: &str = "slipway.process-type";
/// The instance, for example `web.1`.
pub const INSTANCE: &str = "slipway.instance";
/// The release, for example `v3`.
pub const RELEASE: &str = "slipway.release";
/// What the container is for, see [`ContainerKind`].
pub const KIND: &str = "slipway.kind";
/// What an image was built by, if not by a Dockerfile: `buildpacks`.
pub const BUILDER: &str = "slipway.builder";
/// The buildpacks that built it, with spaces between.
pub const BUILDPACKS: &str = "slipway.buildpacks";
/// The scheduled task that a container runs: its id.
pub const CRON_TASK: &str = "slipway.cron-task";

/// Dokku's name for the app.
pub const DOKKU_APP: &str = "com.dokku.app-name";
/// Dokku's name for the process type.
pub const DOKKU_PROCESS_TYPE: &str = "com.dokku.process-type";
/// Dokku's name for what the container is for: `deploy`, `run` or `cron`.
pub const DOKKU_CONTAINER_TYPE: &str = "com.dokku.container-type";
/// Dokku's name for the instance.
pub const DOKKU_DYNO: &str = "com.dokku.dyno";
/// Dokku's name for the scheduled task.
pub const DOKKU_CRON_ID: &str = "com.dokku.cron-id";

/// A short text that is unique to one Slipway installation: 3 to 32 lowercase letters and digits.
///
/// It becomes part of the network's name and of label filters, so it has no other characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(String);

/// A text that is not an owner's id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not an owner id: use 3 to 32 lowercase letters and digits")]
pub struct OwnerIdError(String);

impl OwnerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OwnerId {
    type Err = OwnerIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if (3..=32).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(OwnerIdError(text.to_owned()))
        }
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerKind {
    /// An instance of a release.
    Deploy,
    /// A one-off process that somebody asked for (`run`).
    Run,
    /// A release's own one-off process: the release task and its like.
    Task,
    /// A run of a scheduled task.
    Cron,
    /// A step of a build.
    Build,
}

impl ContainerKind {
    const ALL: [Self; 5] = [Self::Deploy, Self::Run, Self::Task, Self::Cron, Self::Build];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Run => "run",
            Self::Task => "task",
            Self::Cron => "cron",
            Self::Build => "build",
        }
    }

    fn from_label(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Dokku knows no build containers, and calls release tasks `run`.
    fn dokku_container_type(self) -> Option<&'static str> {
        match self {
            Self::Deploy => Some("deploy"),
            Self::Run | Self::Task => Some("run"),
            Self::Cron => Some("cron"),
            Self::Build => None,
        }
    }
}

/// What a container's labels say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLabels {
    /// What it is for.
    pub kind: ContainerKind,
    /// The app.
    pub app: AppName,
    /// The process type, if it runs one.
    pub process_type: Option<ProcessType>,
    /// The instance, if it is one.
    pub instance: Option<InstanceName>,
    /// The release it belongs to.
    pub release: Option<ReleaseVersion>,
}

impl ContainerLabels {
    /// Those of a container that belongs to a build.
    pub fn of_build(app: &AppName) -> Self {
        Self {
            kind: ContainerKind::Build,
            app: app.clone(),
            process_type: None,
            instance: None,
            release: None,
        }
    }

    /// The labels as the engine takes them.
    ///
    /// Dokku's bare `dokku` label is left out on purpose: a Dokku on the same host (somebody migrating) removes
    /// exited containers and images that carry it.
    pub(super) fn to_engine(&self, owner: &OwnerId) -> HashMap<String, String> {
        let process_type = self.process_type.as_ref().map(ToString::to_string);
        let instance = self.instance.as_ref().map(ToString::to_string);
        let pairs = [
            (OWNER, Some(owner.to_string())),
            (KIND, Some(self.kind.as_str().to_owned())),
            (APP, Some(self.app.to_string())),
            (DOKKU_APP, Some(self.app.to_string())),
            (PROCESS_TYPE, process_type.clone()),
            (DOKKU_PROCESS_TYPE, process_type),
            (INSTANCE, instance.clone()),
            (DOKKU_DYNO, instance),
            (RELEASE, self.release.map(|release| release.to_string())),
            (DOKKU_CONTAINER_TYPE, self.kind.dokku_container_type().map(str::to_owned)),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    /// Reads labels back; `None` if they are not of this owner or not Slipway's.
    pub(super) fn from_engine(labels: &HashMap<String, String>, owner: &OwnerId) -> Option<Self> {
        let text = |key: &str| labels.get(key).map(String::as_str);
        if text(OWNER)? != owner.as_str() {
            return None;
        }
        Some(Self {
            kind: ContainerKind::from_label(text(KIND)?)?,
            app: text(APP)?.parse().ok()?,
            process_type: text(PROCESS_TYPE).and_then(|text| text.parse().ok()),
            instance: text(INSTANCE).and_then(|text| text.parse().ok()),
            release: text(RELEASE).and_then(|text| text.parse().ok()),
        })
    }
}

/// A filter by this owner's label, in the engine's form.
pub(super) fn owner_filter(owner: &OwnerId) -> String {
    format!("{OWNER}={owner}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> OwnerId {
        "abc123".parse().unwrap()
    }

    #[test]
    fn labels_survive_the_way_to_the_engine_and_back() {
        let labels = ContainerLabels {
            kind: ContainerKind::Deploy,
            app: "blog".parse().unwrap(),
            process_type: Some(ProcessType::web()),
            instance: Some("web.1".parse().unwrap()),
            release: Some(ReleaseVersion(3)),
        };
        let engine = labels.to_engine(&owner());
        assert_eq!(engine.get("com.dokku.dyno").map(String::as_str), Some("web.1"));
        assert_eq!(engine.get("com.dokku.container-type").map(String::as_str), Some("deploy"));
        assert_eq!(engine.get("slipway.release").map(String::as_str), Some("v3"));
        assert_eq!(ContainerLabels::from_engine(&engine, &owner()), Some(labels));
        assert_eq!(ContainerLabels::from_engine(&engine, &"other".parse().unwrap()), None);
    }

    #[test]
    fn an_owner_id_fits_into_names_and_filters() {
        for text in ["ab", "Abc", "a-b", "a,b", &"a".repeat(33)] {
            assert!(text.parse::<OwnerId>().is_err(), "{text}");
        }
    }
}
