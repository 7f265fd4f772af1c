//! What hooks add: what they say is read here, and belongs to whoever asked. What is for releases has a file of its own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::hooks::{Hooks, Scene, Veto};
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::plugin::PluginName;

/// What `pre-build` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BuildArguments {
    build_arguments: BTreeMap<String, String>,
}

/// What `health-report` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Findings {
    findings: Vec<Finding>,
}

/// One line of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How it stands.
    pub state: FindingState,
    /// What was looked at.
    pub place: String,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// It works, and may not for long.
    Warning,
    /// Something does not work.
    Problem,
}

impl Hooks {
    /// Arguments for a build.
    pub async fn build_arguments(
        &self,
        scene: Scene<'_>,
        event: impl FnOnce() -> Event,
    ) -> Result<BTreeMap<String, String>, Veto> {
        if !self.has(Hook::PreBuild) {
            return Ok(BTreeMap::new());
        }
        let mut arguments = BTreeMap::new();
        for (plugin, said) in self.hear(scene, event()).await? {
            let said: BuildArguments = read(&plugin.name, Hook::PreBuild, &said)?;
            let names = said.build_arguments.keys().cloned().collect();
            arguments.extend(said.build_arguments);
            tell(scene, &plugin.name, "build arguments", names).await;
        }
        Ok(arguments)
    }

    /// Lines of `doctor`, with the plugins that say them. A plugin that fails says so itself.
    pub async fn findings(&self) -> Vec<(PluginName, Finding)> {
        let mut findings = Vec::new();
        let event = Event::HealthReport {};
        for plugin in self.listeners(&event).await {
            let ran = self.run_hook(&plugin, &event, Scene::default()).await;
            let said: Result<Findings, String> = match ran.end.is_good() {
                true => read(&plugin.name, Hook::HealthReport, &ran.added).map_err(|veto| veto.reason),
                false => Err(format!("its hook health-report {}", ran.end.words())),
            };
            let name = || plugin.name.clone();
            match said {
                Ok(said) => findings.extend(said.findings.into_iter().map(|finding| (name(), finding))),
                Err(what) => {
                    let (state, place) = (FindingState::Warning, plugin.name.to_string());
                    let fix = Some(format!("See plugin:report {}", plugin.name));
                    findings.push((name(), Finding { state, place, what, fix }));
                }
            }
        }
        findings
    }
}

/// Says what a plugin has added, by name.
pub(super) async fn tell(scene: Scene<'_>, plugin: &PluginName, what: &str, names: Vec<String>) {
    if let Some(console) = scene.console
        && !names.is_empty()
    {
        console.stderr(format!("[{plugin}] adds {what}: {}\n", names.join(", "))).await;
    }
}

/// Reads what a hook wrote; nothing at all adds nothing.
pub(super) fn read<T: DeserializeOwned + Default>(
    plugin: &PluginName,
    hook: Hook,
    said: &[u8],
) -> Result<T, Veto> {
    if said.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    // The text itself is not repeated: it may hold secrets.
    serde_json::from_slice(said).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        no(
            plugin,
            hook,
            format!("what it wrote is not the JSON of docs/plugins.md (line {line}, column {column})"),
        )
    })
}

pub(super) fn no(plugin: &PluginName, hook: Hook, reason: String) -> Veto {
    Veto { plugin: plugin.clone(), hook, reason }
}
