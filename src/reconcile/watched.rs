//! Which instances have checks that go on while they run, and how they are asked.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::app::App;
use crate::command_error::CommandError;
use crate::deploy::checks::rules;
use crate::model::container_id::ContainerId;
use crate::run::check::Subject;
use crate::run::check_rules::{running_checks, startup_checks};
use crate::run::wellbeing::Watched;
use crate::store::instances::InstanceRecord;
use crate::store::routing::AppRouteFacts;
use crate::urls;

/// Those of one app. One that is just being restarted goes on being watched. Costs nothing where there are none.
pub async fn of(
    app: &App,
    facts: &AppRouteFacts,
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Result<Vec<Watched>, CommandError> {
    let record = &facts.record;
    // Most apps have none, and then their release need not be opened.
    let release = match record.current_release.filter(|_| facts.has_running_checks) {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    let Some(content) = release.map(|release| release.content) else { return Ok(Vec::new()) };
    let content = &content;
    let is_checked =
        |instance: &&InstanceRecord| !running_checks(content, &instance.name.process_type).is_empty();
    let rules = rules(app, record).await?;
    let port = urls::web_port(&facts.ports, content);
    let watched = facts.instances.iter().filter(is_checked).filter_map(|instance| {
        let process_type = &instance.name.process_type;
        let address = running.get(&instance.container).copied();
        let address = address.or_else(|| app.wellbeing.address(&instance.container))?;
        Some(Watched {
            app: record.id,
            app_name: record.name.clone(),
            name: instance.name.clone(),
            subject: Subject {
                engine: app.engine.clone(),
                container: instance.container.clone(),
                address,
                port,
                host: rules.host.clone(),
                https: rules.https,
                config: content.config.clone(),
            },
            checks: running_checks(content, process_type),
            startup: startup_checks(content, process_type),
            deadline: rules.deadline,
        })
    });
    Ok(watched.filter(|watched| rules.hold_for(&watched.name.process_type)).collect())
}
