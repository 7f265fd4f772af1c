//! Services: whether those that should run do, and whether what they are made of is there.

use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::service::WantedState;
use crate::services::{Service, ready};
use crate::store::services::ServiceRecord;
use crate::upkeep::doctor::Finding;

const CHECK: &str = "services";

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    match look(app).await {
        Ok(findings) => findings,
        Err(error) => vec![super::unknown(CHECK, "the database", &error)],
    }
}

async fn look(app: &Arc<App>) -> Result<Vec<Finding>, CommandError> {
    let mut findings = Vec::new();
    for record in app.store.services().await? {
        let place = format!("{}:{}", record.engine, record.name);
        match Service::of(app, record) {
            Ok(service) => findings.extend(one(app, &service, place).await?),
            Err(error) => {
                let fix = "Install or enable it: plugin:list".to_owned();
                findings.push(Finding::problem(CHECK, place, (error.lines(), fix)));
            }
        }
    }
    Ok(findings)
}

async fn one(app: &App, service: &Service, place: String) -> Result<Option<Finding>, CommandError> {
    let record = &service.record;
    if record.wanted == WantedState::Running && !runs(app, service).await? {
        let what = "it should run and does not serve".to_owned();
        let fix = format!("See why: {0}:logs {1}; then {0}:restart {1}", record.engine, record.name);
        return Ok(Some(Finding::problem(CHECK, place, (what, fix))));
    }
    if app.engine.image_facts(&record.image.reference).await?.is_none() {
        let what = format!("its image {} is gone from the engine", record.image.reference);
        return Ok(Some(Finding::warning(CHECK, place, (what, remedy(record)))));
    }
    Ok(None)
}

/// One that is made of it runs on; the next one needs it.
fn remedy(record: &ServiceRecord) -> String {
    let how = if record.image.built { "builds it again" } else { "pulls it again" };
    format!("{}:restart {} {how}", record.engine, record.name)
}

async fn runs(app: &App, service: &Service) -> Result<bool, CommandError> {
    let Some(container) = &service.record.container else { return Ok(false) };
    let facts = app.engine.service_container(container).await?;
    let runs = facts.is_some_and(|facts| facts.running);
    Ok(runs && ready::is_ready(app, service, container).await)
}
