//! What an `app.json` asks for: Heroku's file (its app.json schema), with Dokku's keys for checks and schedules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::config_var::ConfigKey;
use crate::model::health_check::HealthCheck;
use crate::model::process_type::ProcessType;

/// A whole file, checked. The empty one asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppJson {
    /// How many instances of each process type run. If there is an entry, `ps:scale` is refused and all others are 0.
    pub formation: BTreeMap<ProcessType, FormationEntry>,
    /// What is run around a release.
    pub scripts: Scripts,
    /// Config vars that the app wants.
    pub env: BTreeMap<ConfigKey, WantedVar>,
    /// What is run at certain times.
    pub cron: Vec<CronEntry>,
    /// Checks by process type.
    pub healthchecks: BTreeMap<ProcessType, Vec<HealthCheck>>,
    /// Buildpacks in their order: URLs or short names.
    pub buildpacks: Vec<String>,
}

/// A process type in `formation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FormationEntry {
    /// Instances; without a number, the default of the process type holds.
    pub quantity: Option<u32>,
    /// How many new instances are started at the same time.
    pub max_parallel: Option<u32>,
}

/// Commands around a release, each given to a shell of the image unless that has an entry point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scripts {
    /// Before the release task, in the new image; what it changes in the file system becomes part of the image.
    pub predeploy: Option<String>,
    /// After every deploy.
    pub postdeploy: Option<String>,
    /// After the first deploy only.
    pub first_deploy: Option<String>,
}

/// A config var in `env`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WantedVar {
    /// What it is for.
    pub description: Option<String>,
    /// The value that is set if there is none.
    pub value: Option<String>,
    /// Whether the app cannot do without.
    pub required: bool,
    /// Whether a random value is made if there is none: 64 hexadecimal digits (`generator: "secret"`).
    pub generated: bool,
    /// Whether the value here is set at every deploy, whatever it was before.
    pub sync: bool,
}

/// What happens when a scheduled task is due and its last run is still going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConcurrencyPolicy {
    /// Both run.
    #[default]
    Allow,
    /// The new one is left out.
    Forbid,
    /// The old one is ended.
    Replace,
}

/// A scheduled task in `cron`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronEntry {
    /// A command, or a process type of the Procfile.
    pub command: String,
    /// Five fields, or `@daily` and the like: checked, and kept as it was written.
    pub schedule: String,
    /// What happens when the last run is still going on.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// Whether it is left out until that is changed.
    #[serde(default)]
    pub maintenance: bool,
}
