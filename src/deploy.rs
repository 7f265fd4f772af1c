//! The one file that knows the order of the stages: build → release → run → switch → retire.
//!
//! Up to the switch a failure or a cancellation leaves everything as it was; the switch is one transaction;
//! after it nothing is undone. What a killed server leaves behind on either side is an orphan to the
//! reconcilers, never half a deploy.

mod additions;
pub mod cache;
pub mod checks;
pub mod destroy;
mod env;
pub mod error;
mod formation;
pub mod hooks;
pub mod journal;
pub mod links;
pub mod prepare;
pub mod recover;
pub mod retention;
pub mod retirement;
mod roll_out;
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
use crate::deploy::hooks::Telling;
use crate::deploy::journal::{AppLog, Journal};
use crate::deploy::roll_out::Before;
use crate::deploy::tasks::Tasks;
use crate::deploy::ticket::{Ticket, Turns};
use crate::model::process_type::ProcessType;
use crate::model::release::{Release, ReleaseContent};
use crate::release::{self, Wanted};
use crate::store::apps::{AppId, AppRecord};
use crate::store::config::Completion;
use crate::store::formation::Formation;

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
    if let Err(error) = &result {
        hooks::failed(app, &order, error).await;
    }
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
    // Not before: an app's images are removed under its lease.
    app.reconciler.collect_garbage();
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
    let telling = Telling { app, record, order };
    let mut completion = Completion::default();
    if let Work::Build(_) = order.work {
        telling.built(build, &content).await;
        completion = env::complete(&record.name, &mut content, &order.console).await?;
        if prepare::skips_deploy(app, record.id).await? {
            order.console.step("Skipping deployment, as skip-deploy says: the build is not kept").await;
            return Ok(());
        }
    }
    if let Work::Build(_) | Work::Recover(_) = order.work {
        tasks.predeploy(&mut content).await?;
    }
    telling.before_release(&mut content).await?;
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
        telling.before_deploy(&release).await?;
        if tasks_are_due {
            timed("release task", tasks.release(&release)).await?;
            tasks.owe_first_deploy().await?;
        }
        let before = Before { release: current.as_ref(), completion };
        Box::pin(roll_out::run(app, record, order, &release, before)).await
    };
    match switched.await {
        Ok(()) => {
            let what = format!("{} deployed by {}: {}", release.version, order.by, release.description);
            app.logs.platform_line(record.id, "deploy", what).await;
            if tasks_are_due {
                timed("postdeploy", tasks.postdeploy(&release)).await;
            }
            telling.deployed(&release).await;
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
            let mut options = prepare::build_options(&app.store, record.id).await?;
            let added = Telling { app, record, order }.before_build(build, source).await?;
            options.arguments.extend(added);
            let surroundings = app.surroundings.current().await;
            let build_order = BuildOrder {
                engine: &app.engine,
                app_name: &record.name,
                submodules: &app.submodules,
                image_repository: prepare::image_repository(&app.engine, &record.name),
                image_tag: format!("build-{build}"),
                options,
                config: &config,
                limits: prepare::build_limits(app),
                surroundings: &surroundings,
                cache_volume: Some(app.engine.cache_volume(record.id.0)),
                previous: current.map(|release| &release.content.image),
                hints: &app.build_hints,
                tested: None,
                console: &order.console,
                cancel: &order.cancel,
            };
            let limit = app.settings.deploy.build();
            let building = tokio::time::timeout(limit, timed("build", build::build(&build_order, source)));
            // Whatever is under way ends by being dropped: a step in the engine, a fetch of submodules, a pull.
            let building = async {
                tokio::select! {
                    built = building => built.map_err(|_| DeployError::TooLong(limit)),
                    full = prepare::disk_fills_up(app) => Err(full),
                }
            };
            let built = order.cancel.run_until_cancelled(building).await;
            // The engine may have noticed first, and calls it a failure.
            let built = built.filter(|_| !order.cancel.is_cancelled()).ok_or(DeployError::Cancelled)???;
            app.build_queue.leave(build);
            Ok(ReleaseContent {
                image: built.image,
                source: source.source(),
                config,
                processes: built.processes,
                exposed_ports: built.exposed_ports,
                app_json: built.app_json,
                additions: current.map(|release| release.content.additions.clone()).unwrap_or_default(),
            })
        }
        Work::Rollback { to, keep_config: true } => Ok(from(to)),
        Work::Rollback { to, keep_config: false } => older(app, record, to).await,
        // Config vars that were set for the next deploy stay for that.
        Work::Replace => current
            .map(|release| release.content.clone())
            .ok_or_else(|| DeployError::NotDeployed(record.name.clone())),
        Work::Restart(_) | Work::Scale(_) => {
            current.map(from).ok_or_else(|| DeployError::NotDeployed(record.name.clone()))
        }
    }
}

/// What an older release was, but for its links, which are as they are now: a service knows a former user no more.
async fn older(app: &App, record: &AppRecord, to: &Release) -> Result<ReleaseContent, DeployError> {
    let mut content = to.content.clone();
    content.config.extend(app.store.linked_config(record.id).await?);
    Ok(content)
}

/// Logs how long a stage took, so that a slow deploy can be told from a slow app.
async fn timed<T>(stage: &'static str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = work.await;
    tracing::debug!(stage, duration_ms = began.elapsed().as_millis(), "a stage of a deploy has ended");
    result
}
