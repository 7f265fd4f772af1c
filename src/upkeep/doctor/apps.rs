//! The apps: whether what should run does, whether it could be started again, what was left over.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::docker::survey::{Activity, Surveyed};
use crate::model::container_id::ContainerId;
use crate::model::release::ImageId;
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;
use crate::upkeep::doctor::Finding;
use crate::upkeep::garbage::{self, Search};

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    let mut findings = match instances(app).await {
        Ok(findings) => findings,
        Err(error) => vec![super::unknown("apps", "the containers", &error)],
    };
    match images(app).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(super::unknown("images", "the images of releases", &error)),
    }
    match leftovers(app).await {
        Ok(finding) => findings.push(finding),
        Err(error) => findings.push(super::unknown("leftovers", "the engine", &error)),
    }
    findings
}

async fn instances(app: &App) -> Result<Vec<Finding>, CommandError> {
    let containers = app.engine.survey().await?;
    let recorded = app.store.instances(None).await?;
    let records = app.store.apps().await?;
    let mut findings = Vec::new();
    for record in records.iter().filter(|record| record.current_release.is_some() && !record.stopped) {
        let own: Vec<&InstanceRecord> =
            recorded.iter().filter(|instance| instance.app == record.id).collect();
        let faults: Vec<String> =
            own.iter().filter_map(|instance| fault(app, instance, &containers)).collect();
        findings.push(judge(record, own.len(), &faults));
    }
    let known: HashSet<&ContainerId> = recorded.iter().map(|instance| &instance.container).collect();
    let strays = containers.iter().filter(|container| {
        let is_instance = container.labels.instance.is_some();
        is_instance && !known.contains(&container.id) && !app.retiring.contains(&container.id)
    });
    let is_deploying = |container: &&Surveyed| {
        let owner = records.iter().find(|record| record.name == container.labels.app);
        owner.is_some_and(|record| !app.running_builds.of(record.id).is_empty())
    };
    for stray in strays.filter(|stray| !is_deploying(stray)) {
        let what = "it belongs to no release; the server is about to retire it".to_owned();
        let fix = "If it stays, the server's log says why".to_owned();
        findings.push(Finding::warning("leftovers", stray.name.clone(), (what, fix)));
    }
    Ok(findings)
}

/// What is wrong with an instance, if anything is.
fn fault(app: &App, instance: &InstanceRecord, containers: &[Surveyed]) -> Option<String> {
    let name = &instance.name;
    let Some(container) = containers.iter().find(|container| container.id == instance.container) else {
        return Some(format!("{name} is missing"));
    };
    match container.activity {
        _ if app.crashes.is_looping(&instance.container) => Some(format!("{name} keeps crashing")),
        Activity::Running if container.address.is_none() => Some(format!("{name} is on no network")),
        Activity::Running => None,
        Activity::Restarting => Some(format!("{name} keeps crashing")),
        Activity::Idle | Activity::Removing => Some(format!("{name} does not run")),
    }
}

fn judge(record: &AppRecord, instances: usize, faults: &[String]) -> Finding {
    let name = record.name.as_str();
    if faults.is_empty() {
        let what = if instances == 1 {
            "its instance runs".to_owned()
        } else {
            format!("{instances} instances run")
        };
        return Finding::good("apps", name, what);
    }
    let fix = format!(
        "See why: logs {name}, builds:list {name}; then push a mended version, or: ps:restart {name}"
    );
    Finding::problem("apps", name, (faults.join(", "), fix))
}

/// Releases whose images were removed by hand.
async fn images(app: &App) -> Result<Vec<Finding>, CommandError> {
    let mut there: HashSet<ImageId> =
        app.engine.list_images().await?.into_iter().map(|image| image.id).collect();
    let mut findings = Vec::new();
    for user in app.store.image_users().await? {
        if there.contains(&user.image) {
            continue;
        }
        // One that has lost our name and has no label of ours is in no list.
        if app.engine.image_facts(&user.image.0).await?.is_some() {
            there.insert(user.image);
            continue;
        }
        let place = format!("{} {}", user.app, user.version);
        let what = "its image is gone from the engine".to_owned();
        findings.push(if user.current {
            let fix = format!("Build it again: ps:rebuild {}", user.app);
            Finding::problem("images", place, (what, fix))
        } else {
            let fix = "It cannot be rolled back to; push its commit again if it is needed".to_owned();
            Finding::warning("images", place, (what, fix))
        });
    }
    if findings.is_empty() {
        findings.push(Finding::good("images", "the images of releases", "all are there"));
    }
    Ok(findings)
}

async fn leftovers(app: &App) -> Result<Finding, CommandError> {
    let found = garbage::find(app, Search { at_once: true, ..Search::default() }).await?;
    if found.is_empty() {
        return Ok(Finding::good("leftovers", "the engine and the root", "none"));
    }
    let what = match found.len() {
        1 => "1 thing that nobody needs".to_owned(),
        some => format!("{some} things that nobody needs"),
    };
    let fix = "See them: cleanup --dry-run; they also go by themselves".to_owned();
    Ok(Finding::warning("leftovers", "the engine and the root", (what, fix)))
}
