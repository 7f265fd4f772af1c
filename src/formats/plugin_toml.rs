//! `plugin.toml`: what a plugin says about itself, and what it asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::config_var::ConfigKey;
use crate::model::hook::Hook;
use crate::model::hook::contract::{Kind, contract};
use crate::model::plugin::PluginName;
use crate::model::role::Role;

/// The version of the contract between Slipway and plugins.
pub const API: u32 = 1;
/// The subcommand that is run for the plugin's bare name.
pub const DEFAULT: &str = "default";
/// What each plugin has from Slipway under its own name.
pub const RESERVED: [&str; 1] = ["help"];

/// The whole file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub plugin: PluginFacts,
    /// The hooks that it has.
    #[serde(default)]
    pub hooks: BTreeMap<Hook, HookFacts>,
    /// The commands that it has.
    #[serde(default)]
    pub subcommands: BTreeMap<String, Subcommand>,
    /// What can be set.
    #[serde(default)]
    pub settings: BTreeMap<ConfigKey, Setting>,
    /// What it may do.
    #[serde(default)]
    pub permissions: Permissions,
}

/// What a plugin is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PluginFacts {
    /// Its name; the folder is called so too.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for, in one line.
    #[serde(default)]
    pub description: String,
    /// The version of the contract that it was written for.
    pub api: u32,
}

/// One hook.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HookFacts {
    /// Plugins whose hook of that name comes first.
    pub after: Vec<String>,
    /// Plugins whose hook of that name comes later.
    pub before: Vec<String>,
    /// How long it may take.
    pub timeout_seconds: Option<u64>,
    /// What it means that it failed.
    pub on_failure: Option<OnFailure>,
    /// Settings without which it is not run.
    pub needs: Vec<ConfigKey>,
}

/// What it means that a hook failed to answer: that it took too long, or was ended by a signal.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The same as a no.
    Veto,
    /// The same as a yes.
    Allow,
}

/// One command.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Subcommand {
    /// What it does, in one line.
    pub summary: String,
    /// Its arguments, as help shows them.
    #[serde(default)]
    pub usage: String,
    /// What it acts on.
    #[serde(default)]
    pub scope: SubcommandScope,
    /// The least role that may run it.
    #[serde(default = "admin")]
    pub role: Role,
}

/// What a subcommand acts on.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SubcommandScope {
    /// The app that its first argument names.
    App,
    /// The server as a whole.
    #[default]
    Server,
    /// Nothing that belongs to anybody.
    Anyone,
}

/// Something that can be set.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// What it is for.
    pub description: String,
    /// What holds if nothing is set.
    pub default: Option<String>,
    /// Whether it is never shown.
    #[serde(default)]
    pub secret: bool,
    /// Whether it can be set for each app.
    #[serde(default)]
    pub scope: SettingScope,
}

/// For what something can be set.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SettingScope {
    /// For each app, and for all.
    App,
    /// For all only.
    #[default]
    Global,
}

/// What a plugin may do over the socket, and where it may connect to.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Permissions {
    /// The commands that it may run.
    pub commands: Vec<String>,
    /// On which apps.
    pub apps: Apps,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether its `pre-release` may add options of containers.
    pub container_options: bool,
    /// Whether its `pre-release` may lead hosts and paths to the app.
    pub routes: bool,
}

/// The apps on which a plugin may run commands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Apps {
    /// The one that it was run for.
    #[default]
    Event,
    /// All.
    All,
}

/// Why a text is no manifest.
#[derive(Debug, thiserror::Error)]
#[error("invalid plugin.toml: {0}")]
pub struct PluginTomlError(String);

/// Reads the file.
pub fn parse(text: &str) -> Result<Manifest, PluginTomlError> {
    // First of all, since what is new in another version would be an unknown key here.
    check_api(text)?;
    let manifest: Manifest =
        toml::from_str(text).map_err(|error| PluginTomlError(error.to_string().trim_end().to_owned()))?;
    for (hook, facts) in &manifest.hooks {
        check_hook(*hook, facts)?;
        if let Some(key) = facts.needs.iter().find(|key| !manifest.settings.contains_key(key)) {
            return Err(PluginTomlError(format!(
                "hooks.{hook}: needs {key}, which is not one of its settings"
            )));
        }
    }
    for name in manifest.subcommands.keys() {
        check_subcommand(name)?;
    }
    let Permissions { container_options, routes, .. } = manifest.permissions;
    for (name, asked) in [("container-options", container_options), ("routes", routes)] {
        if asked && !manifest.hooks.contains_key(&Hook::PreRelease) {
            return Err(PluginTomlError(format!("permissions.{name}: it has no hooks.pre-release")));
        }
    }
    Ok(manifest)
}

fn check_api(text: &str) -> Result<(), PluginTomlError> {
    let value: toml::Table =
        text.parse().map_err(|error: toml::de::Error| PluginTomlError(error.to_string()))?;
    match value.get("plugin").and_then(|plugin| plugin.get("api")).and_then(toml::Value::as_integer) {
        Some(api) if api != i64::from(API) => Err(PluginTomlError(format!(
            "it is written for API {api}, this Slipway has {API}: take another version of it or of Slipway"
        ))),
        _ => Ok(()),
    }
}

fn check_hook(hook: Hook, facts: &HookFacts) -> Result<(), PluginTomlError> {
    let contract = contract(hook);
    let invalid = |why: String| Err(PluginTomlError(format!("hooks.{hook}: {why}")));
    let longest = contract.longest().as_secs();
    if facts.timeout_seconds.is_some_and(|seconds| seconds == 0 || seconds > longest) {
        return invalid(format!("timeout-seconds is a number from 1 to {longest}"));
    }
    let is_ordered = !facts.after.is_empty() || !facts.before.is_empty();
    if contract.kind == Kind::Watches && (is_ordered || facts.on_failure.is_some()) {
        return invalid("it only watches: after, before and on-failure mean nothing".to_owned());
    }
    let mut others = facts.after.iter().chain(&facts.before);
    if let Some(name) = others.find(|name| name.parse::<PluginName>().is_err()) {
        return invalid(format!("`{name}` is not a plugin's name"));
    }
    Ok(())
}

fn check_subcommand(name: &str) -> Result<(), PluginTomlError> {
    if RESERVED.contains(&name) {
        return Err(PluginTomlError(format!("subcommands.{name}: each plugin has this one from Slipway")));
    }
    // The same characters are good for both.
    match name.parse::<PluginName>() {
        Ok(_) => Ok(()),
        Err(_) => Err(PluginTomlError(format!(
            "subcommands.{name}: a subcommand's name has up to 40 characters a-z, 0-9 and -, and begins with a letter"
        ))),
    }
}

fn admin() -> Role {
    Role::Admin
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: &str = "[plugin]\nname = 'gate'\nversion = '1.0'\napi = 1\n";

    fn error(more: &str) -> String {
        parse(&format!("{FACTS}{more}")).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_says_what_it_has_and_asks_for() {
        let manifest = parse(&format!(
            "{FACTS}[hooks.pre-deploy]\nafter = ['lint']\ntimeout-seconds = 5\non-failure = 'allow'\n[hooks.daily]\n\
             [subcommands.show]\nsummary = 'Shows'\nscope = 'app'\nrole = 'viewer'\n\
             [settings.TOKEN]\ndescription = 'The token'\nsecret = true\n\
             [permissions]\ncommands = ['config:show']\n"
        ))
        .unwrap();
        let hook = &manifest.hooks[&Hook::PreDeploy];
        assert_eq!((hook.timeout_seconds, hook.on_failure), (Some(5), Some(OnFailure::Allow)));
        assert_eq!(manifest.subcommands["show"].scope, SubcommandScope::App);
        assert_eq!(manifest.permissions.apps, Apps::Event);
        assert!(!manifest.permissions.network);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (text, reason) in [
            ("colour = 'red'", "unknown field `colour`"),
            ("[hooks.pre-lunch]\n", "pre-lunch is not a hook"),
            ("[hooks.daily]\nbefore = ['a']\n", "it only watches"),
            ("[hooks.pre-deploy]\ntimeout-seconds = 100000\n", "from 1 to 1200"),
            ("[hooks.pre-deploy]\nneeds = ['URL']\n", "needs URL, which is not one of its settings"),
            ("[hooks.pre-deploy]\nafter = ['A B']\n", "`A B` is not a plugin's name"),
            ("[subcommands.help]\nsummary = 'x'\n", "from Slipway"),
            ("[subcommands.'../x']\nsummary = 'x'\n", "a subcommand's name"),
            ("[subcommands.x]\n", "missing field `summary`"),
            ("[settings.'A-B']\ndescription = 'x'\n", "Invalid key name"),
            ("[permissions]\napps = 'some'\n", "unknown variant"),
            ("[permissions]\ncontainer-options = true\n", "it has no hooks.pre-release"),
            ("[plugin\n", "line 5"),
        ] {
            let found = error(text);
            assert!(found.contains(reason), "{text}: {found}");
        }
    }

    #[test]
    fn another_api_is_told_before_anything_else() {
        let text = "[plugin]\nname = 'x'\nversion = '1'\napi = 2\nnew-field = 1\n[new-table]\n";
        assert!(parse(text).unwrap_err().to_string().contains("written for API 2, this Slipway has 1"));
    }
}
