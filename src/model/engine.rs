//! What a service runs on: an engine, as a plugin's `service.toml` describes it (docs/service-toml.md).

use std::collections::BTreeMap;

use serde::Deserialize;

/// An engine: image, ports, data, and the commands by which it is asked, dumped and restored. Texts may have
/// placeholders, which are filled in for one service.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Engine {
    /// What it is called and what its container needs.
    pub service: EngineService,
    /// Variables of the container.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What stands in where the image cannot be had.
    pub fallback: Option<Fallback>,
    /// What a linked app is told.
    pub link: LinkTemplate,
    /// Says by its exit whether clients are served.
    pub ready: EngineCommand,
    /// What `connect` runs.
    pub client: Option<EngineCommand>,
    /// Links' own users, where the engine knows users.
    pub credentials: Option<Credentials>,
    /// Writes everything to its output.
    pub dump: Option<Dump>,
    /// Reads a dump into a fresh engine.
    pub restore: Option<Restore>,
    /// Reads a dump on top of what is there.
    pub merge: Option<EngineCommand>,
    /// Writes a line `NAME COUNT` for each table, or whatever it has.
    pub contents: Option<EngineCommand>,
    /// What is to be done from one version to another.
    #[serde(default)]
    pub upgrade: UpgradeRules,
}

/// What an engine is called and what its container needs.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EngineService {
    /// In messages: `MySQL`.
    pub title: String,
    /// In names of variables: `MYSQL`.
    pub variable: String,
    /// The first link's variable without `_URL`: `DATABASE`.
    pub alias: String,
    /// The official image.
    pub image: String,
    /// Its tag.
    pub version: String,
    /// Ports inside the container; the first is the engine's own.
    pub ports: Vec<u16>,
    /// The directory that lasts, if anything does.
    pub data: Option<String>,
    /// Where the service's own configuration files appear, if it takes any.
    pub config: Option<String>,
    /// Who may do everything.
    #[serde(default)]
    pub admin_user: String,
    /// Arguments of the image's entry point.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// What ends it, if not what the image says.
    pub stop_signal: Option<String>,
    /// Seconds until it is killed.
    #[serde(default = "default_stop_seconds")]
    pub stop_seconds: u32,
    /// What it needs at least, for people.
    pub memory_hint: Option<String>,
}

/// An image built from the plugin's own Dockerfile.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fallback {
    /// The version that is built unless another one is asked for.
    pub version: String,
    /// All that can be asked for.
    pub versions: Vec<String>,
    /// What a person should know of it.
    pub notice: Option<String>,
}

/// What a linked app is told.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LinkTemplate {
    /// What stands before `://`.
    pub scheme: String,
    /// The whole URL.
    pub url: String,
    /// Further variables of the first link.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// A program run inside the container.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct EngineCommand {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables on top of the container's own.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What it reads, if it is not a dump.
    pub stdin: Option<String>,
}

/// How a link gets a user of its own, and how that goes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Makes one.
    pub add: EngineCommand,
    /// Removes it.
    pub remove: EngineCommand,
}

/// How everything is written out.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables on top of the container's own.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What files of it end in: `sql`.
    pub extension: String,
}

/// How a dump is read into a fresh engine.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Whether the engine runs meanwhile.
    pub mode: RestoreMode,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables on top of the container's own.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Arguments of the engine meanwhile, behind its others. It need not outlive a crash: the data is discarded then, and
    /// otherwise on the disk before it takes a service's place.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// Whether the engine runs while a dump is read.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreMode {
    /// The command is run beside it.
    Running,
    /// The command is run in a container of the image, with the data directory and without the engine.
    Stopped,
}

/// What is to be done from one version to another.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct UpgradeRules {
    /// How many numbers of a version are the major one.
    pub major: usize,
    /// What a new major version needs.
    pub across: Across,
}

/// How data gets from one major version to the next.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Across {
    /// By a dump, restored into a new data directory.
    Dump,
    /// The engine changes its data itself.
    InPlace,
}

impl Default for UpgradeRules {
    fn default() -> Self {
        Self { major: 1, across: Across::InPlace }
    }
}

fn default_stop_seconds() -> u32 {
    60
}
