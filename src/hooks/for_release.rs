//! What `pre-release` adds to a release: config vars, and what else belongs to it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::hooks::additions::{no, read, tell};
use crate::hooks::{Hooks, Scene, Veto, callbacks};
use crate::model::additions::{AddedOption, AddedPlace, AddedRoute, Additions};
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::docker_option::DockerOption;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::path_route::HostPathError;
use crate::model::phase::Phase;
use crate::model::process_scope::ProcessScope;
use crate::model::process_type::ProcessType;
use crate::plugin::Plugin;

const HOOK: Hook = Hook::PreRelease;

/// The most options, and the most routes, that one plugin adds. An option is part of every container's request.
const MOST: usize = 100;

/// What a release gets from plugins.
#[derive(Clone, Debug, Default)]
pub struct ForRelease {
    /// Config vars.
    pub config: ConfigVars,
    /// All else.
    pub additions: Additions,
}

/// What the hook says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Said {
    config: BTreeMap<ConfigKey, String>,
    container_options: Vec<SaidOptions>,
    routes: Vec<SaidRoute>,
}

/// Options, and what they hold for: what `docker-options:add` has as arguments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidOptions {
    options: Vec<String>,
    #[serde(default = "of_containers")]
    phases: Vec<Phase>,
    process: Option<ProcessType>,
}

/// A host or a path of one: what `domains:add` has as arguments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidRoute {
    domain: String,
    #[serde(default)]
    strip: bool,
}

impl Hooks {
    /// What plugins add to a release. One because of whose callback the release comes to be is not asked: what it
    /// added before stays, but for config vars.
    pub async fn for_release(
        &self,
        scene: Scene<'_>,
        before: &Additions,
        event: impl FnOnce() -> Event,
    ) -> Result<ForRelease, Veto> {
        let mut all = ForRelease::default();
        if !self.has(HOOK) {
            return Ok(all);
        }
        let causes = callbacks::causes();
        all.additions = before.of(|plugin| causes.contains(plugin));
        for (plugin, said) in self.hear(scene, event()).await? {
            let said: Said = read(&plugin.name, HOOK, &said)?;
            let config = config(&plugin, said.config)?;
            tell(scene, &plugin.name, "config vars", config.keys().map(ToString::to_string).collect()).await;
            all.config.extend(config);
            let options = options(&plugin, said.container_options)?;
            let mut shown: Vec<String> = options.iter().map(|added| added.option.redacted()).collect();
            shown.dedup();
            tell(scene, &plugin.name, "container options", shown).await;
            all.additions.options.extend(options);
            let routes = routes(&plugin, said.routes)?;
            let shown = routes.iter().map(|added| added.place.to_string()).collect();
            tell(scene, &plugin.name, "routes", shown).await;
            all.additions.routes.extend(routes);
        }
        Ok(all)
    }
}

fn config(plugin: &Plugin, said: BTreeMap<ConfigKey, String>) -> Result<ConfigVars, Veto> {
    let read = |(key, value): (ConfigKey, String)| {
        let value = ConfigValue::from_bytes(value.into_bytes());
        let value = value.map_err(|error| no(&plugin.name, HOOK, format!("{key}: {error}")))?;
        Ok((key, value))
    };
    said.into_iter().map(read).collect()
}

fn options(plugin: &Plugin, said: Vec<SaidOptions>) -> Result<Vec<AddedOption>, Veto> {
    let wrong = |why: String| no(&plugin.name, HOOK, why);
    if !said.is_empty() && !plugin.manifest.permissions.container_options {
        return Err(wrong(
            "it adds container options, which its plugin.toml does not ask for: container-options = true"
                .to_owned(),
        ));
    }
    let mut added = Vec::new();
    for SaidOptions { options, phases, process } in said {
        if phases.contains(&Phase::Build) {
            return Err(wrong("a build has no container options: pre-build adds build arguments".to_owned()));
        }
        if process.is_some() && phases != [Phase::Deploy] {
            return Err(wrong("container options for one process are for the phase deploy only".to_owned()));
        }
        let scope = process.map_or(ProcessScope::Default, ProcessScope::Only);
        for phase in phases {
            for option in DockerOption::parse(&options, phase).map_err(|error| wrong(error.to_string()))? {
                check(&option).map_err(wrong)?;
                added.push(AddedOption { plugin: plugin.name.clone(), phase, scope: scope.clone(), option });
            }
        }
    }
    if added.len() > MOST {
        return Err(wrong(format!("it adds more than {MOST} container options")));
    }
    Ok(added)
}

fn routes(plugin: &Plugin, said: Vec<SaidRoute>) -> Result<Vec<AddedRoute>, Veto> {
    let wrong = |why: String| no(&plugin.name, HOOK, why);
    if !said.is_empty() && !plugin.manifest.permissions.routes {
        return Err(wrong(
            "it adds routes, which its plugin.toml does not ask for: routes = true".to_owned(),
        ));
    }
    if said.len() > MOST {
        return Err(wrong(format!("it adds more than {MOST} routes")));
    }
    let read = |SaidRoute { domain, strip }: SaidRoute| {
        let place: AddedPlace = domain.parse().map_err(|error: HostPathError| wrong(error.to_string()))?;
        if strip && matches!(place, AddedPlace::Host(_)) {
            return Err(wrong(format!("{place} has no path that could be stripped")));
        }
        Ok(AddedRoute { plugin: plugin.name.clone(), place, strip })
    };
    said.into_iter().map(read).collect()
}

/// Refuses what reaches out of the container. A person may do it, depending on who it is; a hook acts for anybody.
fn check(option: &DockerOption) -> Result<(), String> {
    let instead = match option.name() {
        "mount" | "volume" => "storage:mount",
        "network" | "network-alias" => "network:set",
        _ => return Ok(()),
    };
    Err(format!("--{} cannot be added by a hook: whoever may do it uses {instead}", option.name()))
}

/// Both of the phases that have containers of the release.
fn of_containers() -> Vec<Phase> {
    vec![Phase::Deploy, Phase::Run]
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::formats::plugin_toml;

    /// What a plugin with a permission adds when it says this.
    fn added(permission: &str, said: &str) -> Result<Vec<String>, String> {
        let manifest = format!(
            "[plugin]\nname = 'gate'\nversion = '1'\napi = 1\n[hooks.pre-release]\n[permissions]\n{permission}"
        );
        let plugin = Plugin {
            name: "gate".parse().unwrap(),
            folder: PathBuf::new(),
            manifest: plugin_toml::parse(&manifest).unwrap(),
            engine: None,
            bundled: false,
            user: 70_001,
        };
        let said: Said = read(&plugin.name, HOOK, said.as_bytes()).map_err(|veto| veto.to_string())?;
        let options = options(&plugin, said.container_options).map_err(|veto| veto.to_string())?;
        let routes = routes(&plugin, said.routes).map_err(|veto| veto.to_string())?;
        let options = options.iter().map(AddedOption::redacted);
        Ok(options.chain(routes.iter().map(ToString::to_string)).collect())
    }

    #[test]
    fn options_are_those_of_docker_options_in_both_phases_unless_it_is_said() {
        let added = added(
            "container-options = true",
            r#"{"container_options": [{"options": ["--ulimit nofile=64"]},
                {"options": ["--memory", "64m"], "phases": ["deploy"], "process": "web"}]}"#,
        );
        assert_eq!(
            added.unwrap(),
            [
                "--ulimit nofile=64 (gate, deploy)",
                "--ulimit nofile=64 (gate, run)",
                "--memory 64m (gate, deploy, web)"
            ]
        );
    }

    #[test]
    fn routes_are_those_of_domains_add() {
        let may = "routes = true";
        let said = r#"{"routes": [{"domain": "A.example"}, {"domain": "b.example/api", "strip": true}]}"#;
        assert_eq!(added(may, said).unwrap(), ["a.example (gate)", "b.example/api (gate, stripped)"]);
        for (permission, said, reason) in [
            ("", r#"{"domain": "a.example"}"#, "does not ask for: routes = true"),
            (may, r#"{"domain": "a b"}"#, "a b is invalid"),
            (may, r#"{"domain": "a.example/../x"}"#, "is not a path"),
            (may, r#"{"domain": "a.example", "strip": true}"#, "no path that could be stripped"),
        ] {
            let found = added(permission, &format!(r#"{{"routes": [{said}]}}"#)).unwrap_err();
            assert!(found.contains(reason), "{said}: {found}");
        }
    }

    #[test]
    fn what_a_plugin_may_not_add_is_refused_with_its_name() {
        let may = "container-options = true";
        for (permission, said, reason) in [
            ("", r#"[{"options": ["--init"]}]"#, "does not ask for: container-options = true"),
            (may, r#"[{"options": ["--privileged"]}]"#, "--privileged is not allowed"),
            (may, r#"[{"options": ["-v /:/host"]}]"#, "--volume cannot be added by a hook"),
            (may, r#"[{"options": ["--network backend"]}]"#, "whoever may do it uses network:set"),
            (may, r#"[{"options": ["--ulimit nofile=x"]}]"#, "--ulimit: "),
            (may, r#"[{"options": []}]"#, "No option specified"),
            (may, r#"[{"options": ["--init"], "phases": ["build"]}]"#, "pre-build adds build arguments"),
            (may, r#"[{"options": ["--init"], "process": "web"}]"#, "for the phase deploy only"),
            (may, r#"[{"options": ["--init"], "phases": ["lunch"]}]"#, "not the JSON of docs/plugins.md"),
            (may, r#""--init""#, "not the JSON of docs/plugins.md"),
        ] {
            let found = added(permission, &format!(r#"{{"container_options": {said}}}"#)).unwrap_err();
            assert!(found.starts_with("gate says no at pre-release: "), "{found}");
            assert!(found.contains(reason), "{said}: {found}");
        }
        let many = vec![r#"{"options": ["--env A=1"]}"#; 51].join(",");
        let found = added(may, &format!(r#"{{"container_options": [{many}]}}"#)).unwrap_err();
        assert!(found.contains("more than 100"), "{found}");
    }
}
