//! What hooks are told: on standard input as JSON, the most important of it as arguments too.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::process_type::ProcessType;

/// Something that happens. Config vars are told by their names, never by their values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "hook", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the contract says what each field is, and a test compares the two")]
pub enum Event {
    PostCreate {
        app: AppName,
        by: String,
    },
    PostAppRename {
        app: AppName,
        old: AppName,
        by: String,
    },
    PostAppClone {
        app: AppName,
        old: AppName,
        by: String,
    },
    PreDelete {
        app: AppName,
        by: String,
    },
    PostDelete {
        app: AppName,
        by: String,
    },
    ReceiveApp {
        app: AppName,
        by: String,
        commit: String,
        branch: String,
    },
    ReceiveBranch {
        app: AppName,
        by: String,
        branch: String,
        commit: String,
    },
    PostReceiveBranch {
        app: AppName,
        by: String,
        branch: String,
        commit: Option<String>,
    },
    PreBuild {
        app: AppName,
        by: String,
        build: i64,
        source: String,
    },
    PostBuild {
        app: AppName,
        by: String,
        build: i64,
        image: String,
    },
    PreRelease {
        app: AppName,
        by: String,
        image: String,
        description: String,
        config_keys: Vec<String>,
        process_types: Vec<ProcessType>,
    },
    PreDeploy {
        app: AppName,
        by: String,
        release: String,
        image: String,
        description: String,
    },
    CheckDeploy {
        app: AppName,
        container: String,
        instance: String,
        address: String,
        port: Option<u16>,
    },
    PostDeploy {
        app: AppName,
        by: String,
        release: String,
        image: String,
        description: String,
    },
    DeployFailed {
        app: AppName,
        by: String,
        reason: String,
    },
    PreStart {
        app: AppName,
        by: String,
    },
    PostStop {
        app: AppName,
        by: String,
    },
    PostScale {
        app: AppName,
        by: String,
        quantities: BTreeMap<String, u32>,
    },
    PostConfigUpdate {
        app: Option<AppName>,
        by: String,
        set: Vec<String>,
        unset: Vec<String>,
    },
    PostDomainsUpdate {
        app: Option<AppName>,
        by: String,
        action: String,
        domains: Vec<String>,
    },
    PostCertsUpdate {
        app: Option<AppName>,
        action: String,
        hosts: Vec<String>,
    },
    RoutesPublished {
        hosts: usize,
    },
    PostDrainsUpdate {
        app: AppName,
        by: String,
        action: String,
    },
    PostCron {
        app: AppName,
        task: String,
        run: i64,
        succeeded: bool,
        outcome: String,
    },
    UserAuth {
        user: String,
        role: String,
        command: String,
        apps: Vec<String>,
    },
    HealthReport {},
    PostBackup {
        engine: String,
        service: String,
        succeeded: bool,
        outcome: String,
    },
    PostRestore {
        engine: String,
        service: String,
        succeeded: bool,
        outcome: String,
    },
    Daily {},
}

impl Event {
    /// Which hook is told.
    pub fn hook(&self) -> Hook {
        match self {
            Self::PostCreate { .. } => Hook::PostCreate,
            Self::PostAppRename { .. } => Hook::PostAppRename,
            Self::PostAppClone { .. } => Hook::PostAppClone,
            Self::PreDelete { .. } => Hook::PreDelete,
            Self::PostDelete { .. } => Hook::PostDelete,
            Self::ReceiveApp { .. } => Hook::ReceiveApp,
            Self::ReceiveBranch { .. } => Hook::ReceiveBranch,
            Self::PostReceiveBranch { .. } => Hook::PostReceiveBranch,
            Self::PreBuild { .. } => Hook::PreBuild,
            Self::PostBuild { .. } => Hook::PostBuild,
            Self::PreRelease { .. } => Hook::PreRelease,
            Self::PreDeploy { .. } => Hook::PreDeploy,
            Self::CheckDeploy { .. } => Hook::CheckDeploy,
            Self::PostDeploy { .. } => Hook::PostDeploy,
            Self::DeployFailed { .. } => Hook::DeployFailed,
            Self::PreStart { .. } => Hook::PreStart,
            Self::PostStop { .. } => Hook::PostStop,
            Self::PostScale { .. } => Hook::PostScale,
            Self::PostConfigUpdate { .. } => Hook::PostConfigUpdate,
            Self::PostDomainsUpdate { .. } => Hook::PostDomainsUpdate,
            Self::PostCertsUpdate { .. } => Hook::PostCertsUpdate,
            Self::RoutesPublished { .. } => Hook::RoutesPublished,
            Self::PostDrainsUpdate { .. } => Hook::PostDrainsUpdate,
            Self::PostCron { .. } => Hook::PostCron,
            Self::UserAuth { .. } => Hook::UserAuth,
            Self::HealthReport { .. } => Hook::HealthReport,
            Self::PostBackup { .. } => Hook::PostBackup,
            Self::PostRestore { .. } => Hook::PostRestore,
            Self::Daily { .. } => Hook::Daily,
        }
    }

    /// The app that it is about, if it is about one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Self::PostCreate { app, .. }
            | Self::PostAppRename { app, .. }
            | Self::PostAppClone { app, .. }
            | Self::PreDelete { app, .. }
            | Self::PostDelete { app, .. }
            | Self::ReceiveApp { app, .. }
            | Self::ReceiveBranch { app, .. }
            | Self::PostReceiveBranch { app, .. }
            | Self::PreBuild { app, .. }
            | Self::PostBuild { app, .. }
            | Self::PreRelease { app, .. }
            | Self::PreDeploy { app, .. }
            | Self::CheckDeploy { app, .. }
            | Self::PostDeploy { app, .. }
            | Self::DeployFailed { app, .. }
            | Self::PreStart { app, .. }
            | Self::PostStop { app, .. }
            | Self::PostScale { app, .. }
            | Self::PostDrainsUpdate { app, .. }
            | Self::PostCron { app, .. } => Some(app),
            Self::PostConfigUpdate { app, .. }
            | Self::PostDomainsUpdate { app, .. }
            | Self::PostCertsUpdate { app, .. } => app.as_ref(),
            Self::RoutesPublished { .. }
            | Self::UserAuth { .. }
            | Self::HealthReport {}
            | Self::PostBackup { .. }
            | Self::PostRestore { .. }
            | Self::Daily {} => None,
        }
    }

    /// What the executable gets as arguments.
    pub fn arguments(&self) -> Vec<String> {
        let app = || self.app().map_or_else(String::new, ToString::to_string);
        let with = |more: &[&str]| {
            let more = more.iter().map(|word| (*word).to_owned());
            std::iter::once(app()).chain(more).collect::<Vec<String>>()
        };
        match self {
            Self::PostAppRename { app, old, .. } | Self::PostAppClone { app, old, .. } => {
                vec![old.to_string(), app.to_string()]
            }
            Self::ReceiveApp { commit, branch, .. } => with(&[commit, branch]),
            Self::ReceiveBranch { branch, commit, .. } => with(&[branch, commit]),
            Self::PostReceiveBranch { branch, commit, .. } => {
                with(&[branch, commit.as_deref().unwrap_or_default()])
            }
            Self::PreBuild { source, .. } => with(&[source]),
            Self::PostBuild { image, .. } | Self::PreRelease { image, .. } => with(&[image]),
            Self::PreDeploy { release, .. } | Self::PostDeploy { release, .. } => with(&[release]),
            Self::CheckDeploy { container, instance, address, port, .. } => {
                let process_type = instance.split('.').next().unwrap_or_default();
                let port = port.map_or_else(String::new, |port| port.to_string());
                with(&[container, process_type, &port, address])
            }
            Self::PostScale { quantities, .. } => {
                let pairs = quantities.iter().map(|(name, count)| format!("{name}={count}"));
                std::iter::once(app()).chain(pairs).collect()
            }
            Self::PostConfigUpdate { set, unset, .. } => {
                let action = if set.is_empty() { "unset" } else { "set" };
                let keys = set.iter().chain(unset).cloned();
                [app(), action.to_owned()].into_iter().chain(keys).collect()
            }
            Self::PostDomainsUpdate { action, domains, .. } => {
                [app(), action.clone()].into_iter().chain(domains.iter().cloned()).collect()
            }
            Self::PostCertsUpdate { action, .. } | Self::PostDrainsUpdate { action, .. } => with(&[action]),
            Self::PostCron { task, .. } => with(&[task]),
            Self::UserAuth { user, role, command, apps } => {
                [user, role, command].into_iter().chain(apps).cloned().collect()
            }
            Self::PostBackup { engine, service, .. } | Self::PostRestore { engine, service, .. } => {
                vec![engine.clone(), service.clone()]
            }
            Self::RoutesPublished { .. } | Self::HealthReport {} | Self::Daily {} => Vec::new(),
            _ => with(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::hook::contract::{CONTRACTS, contract};

    /// One of each.
    #[expect(clippy::too_many_lines, reason = "a list")]
    fn samples() -> Vec<Event> {
        let app: AppName = "blog".parse().unwrap();
        let by = || "ann".to_owned();
        let text = |text: &str| text.to_owned();
        vec![
            Event::PostCreate { app: app.clone(), by: by() },
            Event::PostAppRename { app: app.clone(), old: "old".parse().unwrap(), by: by() },
            Event::PostAppClone { app: app.clone(), old: "old".parse().unwrap(), by: by() },
            Event::PreDelete { app: app.clone(), by: by() },
            Event::PostDelete { app: app.clone(), by: by() },
            Event::ReceiveApp { app: app.clone(), by: by(), commit: text("c0ffee"), branch: text("main") },
            Event::ReceiveBranch { app: app.clone(), by: by(), branch: text("idea"), commit: text("c0ffee") },
            Event::PostReceiveBranch { app: app.clone(), by: by(), branch: text("idea"), commit: None },
            Event::PreBuild { app: app.clone(), by: by(), build: 7, source: text("c0ffee") },
            Event::PostBuild { app: app.clone(), by: by(), build: 7, image: text("sha256:1") },
            Event::PreRelease {
                app: app.clone(),
                by: by(),
                image: text("sha256:1"),
                description: text("Deploy c0ffee"),
                config_keys: vec![text("A")],
                process_types: vec![ProcessType::web()],
            },
            Event::PreDeploy {
                app: app.clone(),
                by: by(),
                release: text("v3"),
                image: text("sha256:1"),
                description: text("Deploy c0ffee"),
            },
            Event::CheckDeploy {
                app: app.clone(),
                container: text("0123"),
                instance: text("web.1"),
                address: text("10.0.0.2"),
                port: Some(5000),
            },
            Event::PostDeploy {
                app: app.clone(),
                by: by(),
                release: text("v3"),
                image: text("sha256:1"),
                description: text("Deploy c0ffee"),
            },
            Event::DeployFailed { app: app.clone(), by: by(), reason: text("no") },
            Event::PreStart { app: app.clone(), by: by() },
            Event::PostStop { app: app.clone(), by: by() },
            Event::PostScale {
                app: app.clone(),
                by: by(),
                quantities: BTreeMap::from([(text("web"), 2), (text("worker"), 1)]),
            },
            Event::PostConfigUpdate {
                app: Some(app.clone()),
                by: by(),
                set: vec![text("A")],
                unset: Vec::new(),
            },
            Event::PostDomainsUpdate {
                app: Some(app.clone()),
                by: by(),
                action: text("add"),
                domains: vec![text("a.example")],
            },
            Event::PostCertsUpdate {
                app: Some(app.clone()),
                action: text("add"),
                hosts: vec![text("a.example")],
            },
            Event::RoutesPublished { hosts: 2 },
            Event::PostDrainsUpdate { app: app.clone(), by: by(), action: text("add") },
            Event::PostCron { app, task: text("t"), run: 4, succeeded: true, outcome: text("ended with 0") },
            Event::UserAuth {
                user: by(),
                role: text("deployer"),
                command: text("config:set"),
                apps: vec![text("blog")],
            },
            Event::HealthReport {},
            Event::PostBackup {
                engine: text("mysql"),
                service: text("db"),
                succeeded: true,
                outcome: text("1"),
            },
            Event::PostRestore {
                engine: text("mysql"),
                service: text("db"),
                succeeded: true,
                outcome: text("1"),
            },
            Event::Daily {},
        ]
    }

    #[test]
    fn what_is_told_is_what_the_contract_says() {
        let samples = samples();
        assert_eq!(samples.len(), CONTRACTS.len());
        for event in samples {
            let contract = contract(event.hook());
            let Value::Object(told) = serde_json::to_value(&event).unwrap() else { panic!("{event:?}") };
            assert_eq!(told.get("hook").and_then(Value::as_str), Some(event.hook().as_str()));
            let told: Vec<&str> = told.keys().map(String::as_str).filter(|name| *name != "hook").collect();
            let mut promised: Vec<&str> = contract.fields.iter().map(|(name, _)| *name).collect();
            promised.sort_unstable();
            assert_eq!(told, promised, "{}", event.hook());
            let endless = contract.arguments.last().is_some_and(|name| name.ends_with('…'));
            let given = event.arguments().len();
            assert!(
                given == contract.arguments.len() || (endless && given + 1 >= contract.arguments.len()),
                "{}: {:?}",
                event.hook(),
                event.arguments()
            );
        }
    }
}
