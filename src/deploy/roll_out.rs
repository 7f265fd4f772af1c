//! The second half of a deploy: instances of a recorded release are started, checked and made the app.

use std::sync::Arc;

use crate::app::App;
use crate::deploy::error::DeployError;
use crate::deploy::hooks::Telling;
use crate::deploy::stop_first::{StopFirst, Swap};
use crate::deploy::{Order, Work, checks, formation, links, prepare, switch, timed};
use crate::model::release::Release;
use crate::run::exclusive;
use crate::run::plan::{self, Replace};
use crate::run::start::Start;
use crate::store::apps::AppRecord;
use crate::store::config::Completion;
use crate::urls;

/// What a deploy comes from: the release that served, and config vars that app.json gives.
pub struct Before<'a> {
    /// The release that served.
    pub release: Option<&'a Release>,
    /// The config vars.
    pub completion: Completion,
}

/// Starts what is new, and once it is healthy makes it the app.
pub async fn run(
    app: &Arc<App>,
    record: &AppRecord,
    order: &Order,
    release: &Release,
    before: Before<'_>,
) -> Result<(), DeployError> {
    let unchanged = record.current_release == Some(release.id);
    let replace = match &order.work {
        Work::Scale(_) | Work::Replace if unchanged => Replace::None,
        Work::Restart(Some(process_type)) if unchanged => Replace::Only(process_type.clone()),
        _ => Replace::All,
    };
    let set = app.store.formation(record.id).await?;
    let quantities = formation::quantities(&order.work, &release.content, before.release, set);
    let wanted = &quantities.wanted;
    exclusive::check(&app.store.mounts(record.id).await?, wanted)?;
    let alive = app.engine.running().await?;
    let recorded = app.store.instances(Some(record.id)).await?;
    let mut plan = plan::plan(wanted, recorded, |instance| alive.contains_key(&instance.container), &replace);
    let stop_first = StopFirst::of(&app.store, record.id, wanted.keys()).await?;
    plan.stop_first(|process_type| stop_first.includes(process_type));
    if matches!(order.work, Work::Replace) && plan.start.is_empty() {
        return Ok(());
    }
    for (process_type, quantity) in wanted {
        order.console.step(format!("Deploying {process_type} (count={quantity})")).await;
    }
    let rules = checks::rules(app, record).await?;
    let addresses = prepare::addresses(app).await?;
    let surroundings = app.surroundings.current().await;
    let start = Start {
        engine: &app.engine,
        store: &app.store,
        addresses: &addresses,
        app: record.id,
        app_name: &record.name,
        release,
        port: urls::web_port(&app.store.ports(record.id).await?, &release.content),
        rules: &rules,
        surroundings: &surroundings,
    };
    links::ensure_networks(app, record).await?;
    let swap = Swap { app, record, stop_first, plan: &plan, console: &order.console };
    timed("stop first", swap.begin()).await?;
    let result = async {
        let started = timed("start", start.instances(&plan.start, &order.console, &order.cancel)).await?;
        Telling { app, record, order }.check(&started, start.port).await?;
        let change = switch::Change { started, plan: &plan, quantities, completion: before.completion };
        timed("switch", switch::switch(app, record, order, release, change)).await
    };
    let result = result.await;
    if result.is_err() {
        swap.undo().await;
    }
    result
}
