//! The one file that knows the order of the stages: build → release → run → switch → retire.
//!
//! Up to the switch a failure or a cancellation leaves everything as it was; the switch is one transaction;
//! after it nothing is undone. What a killed server leaves behind on either side is an orphan to the
//! reconcilers, never half a deploy.

pub mod checks;
pub mod destroy;
mod env;
pub mod error;
mod formation;
pub mod journal;
pub mod links;
mod prepare;
pub mod recover;
pub mod retention;
pub mod retirement;
pub mod stop_first;
pub mod switch;
mod task_output;
mod tasks;
pub mod ticket;

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::build::{self, BuildOrder, BuildSource};
use crate::console::Console;
use crate::deploy::error::DeployError;
use crate::deploy::journal::{AppLog, Journal};
use crate::deploy::stop_first::{StopFirst, Swap};
use crate::deploy::tasks::Tasks;
use crate::deploy::ticket::{Ticket, Turns};
use crate::model::process_type::ProcessType;
use crate::model::release::{Release, ReleaseContent};
use crate::release::{self, Wanted};
use crate::run::exclusive;
use crate::run::plan::{self, Replace};
use crate::run::start::Start;
use crate::store::apps::{AppId, AppRecord};
use crate::store::config::Completion;
use crate::store::formation::Formation;
use crate::urls;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Work {
    /// Builds a source, releases the image and runs it.
    Build(BuildSource),
    /// Runs the image of an older release again.
    Rollback {
        /// That release.
        to: Box<Release>,
        /// Whether today's config vars stay.
        keep_config: bool,
    },
    /// Replaces all instances, or those of one process type; config vars that changed make a release.
    Restart(Option<ProcessType>),
    /// Reaches these quantities; instances that can stay do.
    Scale(Formation),
    /// Starts what is missing of the current release, as it is.
    Replace,
    /// Makes the current release's image again, which is gone, and runs it with the config vars of that release.
    Recover(BuildSource),
}

/// One deploy, as somebody asked for it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The app.
    pub app: AppId,
    /// What is to be done.
    pub work: Work,
    /// Who asked.
    pub by: String,
    /// What the release is called, if there will be a new one.
    pub description: String,
    /// Where progress goes.
    pub console: Console,
    /// Cancels the deploy, up to the switch.
    pub cancel: CancellationToken,
}

impl Work {
    /// Whether it keeps running what was wanted before. No lock holds it up, for nothing changes.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Self::Replace | Self::Recover(_))
    }
}

/// Carries out an order: waits for its turn, keeps a record, and runs the stages.
pub async fn run(app: &Arc<App>, order: Order) -> Result<(), DeployError> {
    let ticket = Ticket::take(app, &order).await?;
    run_with(app, order, ticket).await
}

/// The same for an order that has its number already.
pub async fn run_with(app: &Arc<App>, order: Order, ticket: Ticket) -> Result<(), DeployError> {
    let (build, cancel) = (ticket.build, ticket.cancel.clone());
    let log = AppLog { logs: app.logs.clone(), app: order.app };
    let (journal, console) = Journal::open(&app.settings.root, build, order.console.clone(), log).await;
    let order = Order { console, cancel, ..order };
    // On the heap: what all stages hold together is too much for a thread's stack where callers hold much as well.
    let result = Box::pin(queue_and_run(app, &order, &ticket)).await;
    let Order { work, console, .. } = order;
    drop(console);
    journal.close(result.as_ref().err()).await;
    ticket.finish(app, &work, &result).await;
    result
}

async fn queue_and_run(app: &Arc<App>, order: &Order, ticket: &Ticket) -> Result<(), DeployError> {
    let Turns { lease, place } = ticket::turns(app, order, ticket).await?;
    let record = app.store.app_by_id(order.app).await?.ok_or(DeployError::Gone)?;
    let is_automatic = order.work.is_automatic();
    if is_automatic && record.stopped {
        return Ok(());
    }
    if record.locked && !is_automatic {
        return Err(DeployError::Locked(record.name));
    }
    let result = Box::pin(stages(app, &record, order, ticket.build)).await;
    drop((lease, place));
    if result.is_err() {
        app.reconciler.collect_garbage();
    }
    result
}

/// The stages in their order.
async fn stages(app: &Arc<App>, record: &AppRecord, order: &Order, build: i64) -> Result<(), DeployError> {
    let current = match record.current_release {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    let mut content = Box::pin(content(app, record, order, current.as_ref(), build)).await?;
    if order.cancel.is_cancelled() {
        return Err(DeployError::Cancelled);
    }
    let tasks = Tasks { app, record, order, build };
    let mut completion = Completion::default();
    if let Work::Build(_) | Work::Recover(_) = order.work {
        completion = env::complete(&record.name, &mut content, &order.console).await?;
        if prepare::skips_deploy(app, record.id).await? {
            order.console.step("Skipping deployment, as skip-deploy says: the build is not kept").await;
            return Ok(());
        }
        tasks.predeploy(&mut content).await?;
    }
    let wanted = Wanted {
        content,
        by: &order.by,
        description: &order.description,
        same_will_do: matches!(order.work, Work::Restart(_) | Work::Scale(_) | Work::Replace),
    };
    let release = release::record(&app.store, record.id, current.clone(), wanted).await?;
    order.console.step(format!("Deploying {} {}", record.name, release.version)).await;
    let tasks_are_due = tasks.are_due(&release);
    let switched = async {
        if tasks_are_due {
            timed("release task", tasks.release(&release)).await?;
            tasks.owe_first_deploy().await?;
        }
        let before = Before { release: current.as_ref(), completion };
        Box::pin(run_and_switch(app, record, order, &release, before)).await
    };
    match switched.await {
        Ok(()) => {
            let what = format!("{} deployed by {}: {}", release.version, order.by, release.description);
            app.logs.platform_line(record.id, "deploy", what).await;
            if tasks_are_due {
                timed("postdeploy", tasks.postdeploy(&release)).await;
            }
            Ok(())
        }
        Err(error) => {
            // No effect on a release that served before: only a pending one is forgotten.
            app.store.discard_release(release.id).await?;
            Err(error)
        }
    }
}

/// What the release will consist of: built now, or taken from an older one.
async fn content(
    app: &Arc<App>,
    record: &AppRecord,
    order: &Order,
    current: Option<&Release>,
    build: i64,
) -> Result<ReleaseContent, DeployError> {
    let config = match (&order.work, current) {
        (Work::Recover(_), Some(current)) => current.content.config.clone(),
        _ => app.store.merged_config(record.id).await?,
    };
    let from = |release: &Release| ReleaseContent { config: config.clone(), ..release.content.clone() };
    match &order.work {
        Work::Build(source) | Work::Recover(source) => {
            prepare::check_free_space(app).await?;
            let options = prepare::build_options(&app.store, record.id).await?;
            let build_order = BuildOrder {
                engine: &app.engine,
                app_name: &record.name,
                submodules: &app.submodules,
                image_repository: prepare::image_repository(&app.engine, &record.name),
                image_tag: format!("build-{build}"),
                options,
                config: &config,
                limits: prepare::build_limits(app),
                console: &order.console,
                cancel: &order.cancel,
            };
            let limit = app.settings.deploy.build();
            let building = timed("build", build::build(&build_order, source));
            let building = tokio::time::timeout(limit, building);
            // Whatever is under way ends by being dropped: a step in the engine, a fetch of submodules, a pull.
            let building = async {
                tokio::select! {
                    built = building => built.map_err(|_| DeployError::TooLong(limit)),
                    full = prepare::disk_fills_up(app) => Err(full),
                }
            };
            let built = order.cancel.run_until_cancelled(building).await;
            // The engine may have noticed first, and calls it a failure.
            let built = built.filter(|_| !order.cancel.is_cancelled()).ok_or(DeployError::Cancelled)?;
            let built = built??;
            app.build_queue.leave(build);
            Ok(ReleaseContent {
                image: built.image,
                source: source.source(),
                config,
                processes: built.processes,
                exposed_ports: built.exposed_ports,
                app_json: built.app_json,
            })
        }
        Work::Rollback { to, keep_config: true } => Ok(from(to)),
        Work::Rollback { to, keep_config: false } => Ok(to.content.clone()),
        // Config vars that were set for the next deploy stay for that.
        Work::Replace => current
            .map(|release| release.content.clone())
            .ok_or_else(|| DeployError::NotDeployed(record.name.clone())),
        Work::Restart(_) | Work::Scale(_) => {
            current.map(from).ok_or_else(|| DeployError::NotDeployed(record.name.clone()))
        }
    }
}

/// What a deploy comes from: the release that served, and config vars that app.json gives.
struct Before<'a> {
    release: Option<&'a Release>,
    completion: Completion,
}

/// Starts what is new, and once it is healthy makes it the app.
async fn run_and_switch(
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
    let start = Start {
        engine: &app.engine,
        store: &app.store,
        addresses: &addresses,
        app: record.id,
        app_name: &record.name,
        release,
        port: urls::web_port(&app.store.ports(record.id).await?, &release.content),
        rules: &rules,
    };
    links::ensure_networks(app, record).await?;
    let swap = Swap { app, record, stop_first, plan: &plan, console: &order.console };
    timed("stop first", swap.begin()).await?;
    let result = async {
        let started = timed("start", start.instances(&plan.start, &order.console, &order.cancel)).await?;
        let change = switch::Change { started, plan: &plan, quantities, completion: before.completion };
        timed("switch", switch::switch(app, record, order, release, change)).await
    };
    let result = result.await;
    if result.is_err() {
        swap.undo().await;
    }
    result
}

/// Logs how long a stage took, so that a slow deploy can be told from a slow app.
async fn timed<T>(stage: &'static str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = work.await;
    tracing::debug!(stage, duration_ms = began.elapsed().as_millis(), "a stage of a deploy has ended");
    result
}
