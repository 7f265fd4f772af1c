//! Which instances have checks that go on while they run, and how they are asked.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::app::App;
use crate::command_error::CommandError;
use crate::deploy::checks::rules;
use crate::model::container_id::ContainerId;
use crate::model::release::Release;
use crate::run::check::Subject;
use crate::run::check_rules::{running_checks, startup_checks};
use crate::run::wellbeing::Watched;
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;
use crate::urls;

/// Those of one app. One that is just being restarted goes on being watched. Costs nothing where there are none.
pub async fn of(
    app: &App,
    record: &AppRecord,
    release: &Release,
    instances: &[&InstanceRecord],
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Result<Vec<Watched>, CommandError> {
    let content = &release.content;
    let is_checked =
        |instance: &&InstanceRecord| !running_checks(content, &instance.name.process_type).is_empty();
    if !instances.iter().any(is_checked) {
        return Ok(Vec::new());
    }
    let rules = rules(app, record).await?;
    let port = urls::web_port(&app.store.ports(record.id).await?, content);
    let watched = instances.iter().copied().filter(is_checked).filter_map(|instance| {
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
