//! `cron:run`.

use clap::Args;
use tokio::sync::mpsc;

use crate::app::cron_runs::Ending;
use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::cron::task;
use crate::commands::{Command, Context, Scope, Target};
use crate::cron::agenda::Task;
use crate::cron::container::dyno;
use crate::cron::runner::{self, Start};
use crate::cron::scheduler::MOST_AT_ONCE;
use crate::cron::tasks;
use crate::docker::output::{OutputChunk, StandardStream};
use crate::model::app_json::ConcurrencyPolicy;
use crate::model::cron::{CronStatus, CronTrigger};
use crate::model::role::Role;
use crate::store::cron::CronRun;

/// Chunks of output that may wait for a slow client.
const BACKLOG: usize = 64;

/// Runs a scheduled task now, prints its output and ends with its exit code
#[derive(Debug, Args)]
pub struct Run {
    /// The app
    app: String,
    /// The task's id, see `cron:list`
    id: String,
    /// Only start it: `cron:logs` has its output
    #[arg(long)]
    detach: bool,
    /// Seconds after which it is ended, instead of what `cron:set` says
    #[arg(long, value_name = "SECONDS")]
    ttl_seconds: Option<u32>,
}

impl Command for Run {
    const NAME: &'static str = "cron:run";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        if self.ttl_seconds == Some(0) {
            return Err(CommandError::user("--ttl-seconds must be a positive integer"));
        }
        let task = task(&context, &self.id).await?;
        let replaces = replaced(&context, &task)?;
        let run = self.record(&context, &task).await?;
        let (watcher, output) = mpsc::channel(BACKLOG);
        let watcher = (!self.detach).then_some(watcher);
        let start = Start { run, accounted: None, replaces, watcher };
        let begun = runner::begin(&context.app, start).await?;
        let run = begun.ok_or_else(|| CommandError::no_such_app(&task.app_name))?;
        if self.detach {
            context.console().line(format!("{}.{}", task.app_name, dyno(run))).await;
            return Ok(0);
        }
        watch(&context, output, run).await?;
        context.app.cron_runs.ended(run).await;
        conclude(&context, &task, run).await
    }
}

impl Run {
    async fn record(&self, context: &Context, task: &Task) -> Result<CronRun, CommandError> {
        let ttl = match self.ttl_seconds {
            Some(seconds) => u64::from(seconds),
            None => tasks::ttl_seconds(&context.app.store, task.app).await?,
        };
        let now = clock::unix_seconds();
        Ok(CronRun {
            id: 0,
            app: task.app,
            task: task.id.clone(),
            command: task.entry.command.clone(),
            trigger: CronTrigger::Manual,
            status: CronStatus::Running,
            started_at: now,
            finished_at: None,
            exit_code: None,
            container: None,
            deadline: now.saturating_add(i64::try_from(ttl).unwrap_or(i64::MAX)),
            times: 1,
            note: None,
        })
    }
}

/// The runs that have to end first; an error if this one has to stay out.
fn replaced(context: &Context, task: &Task) -> Result<Vec<i64>, CommandError> {
    let others = context.app.cron_runs.of(task.app, &task.id);
    let name = &task.app_name;
    match (task.entry.concurrency_policy, others.first()) {
        (ConcurrencyPolicy::Forbid, Some(run)) => {
            Err(CommandError::user(format!("Task {} is running already, as run {run}", task.id))
                .hint(format!("Wait for it, or end it: cron:stop {name} {run}")))
        }
        (ConcurrencyPolicy::Allow, Some(run)) if others.len() >= MOST_AT_ONCE => {
            Err(CommandError::user(format!("Task {} is running {} times already", task.id, others.len()))
                .hint(format!("End one: cron:stop {name} {run}")))
        }
        (ConcurrencyPolicy::Replace, _) => Ok(others),
        _ => Ok(Vec::new()),
    }
}

/// Prints what the run prints. A client that goes away ends it.
async fn watch(
    context: &Context,
    mut output: mpsc::Receiver<OutputChunk>,
    run: i64,
) -> Result<(), CommandError> {
    loop {
        let chunk = tokio::select! {
            chunk = output.recv() => chunk,
            () = context.io.client_gone.cancelled() => {
                context.app.cron_runs.end(run, Ending::Stopped).await;
                return Err(CommandError::user(format!("Run {run} was ended")));
            }
        };
        let Some(chunk) = chunk else { return Ok(()) };
        match chunk.stream {
            StandardStream::Stdout => context.console().stdout(chunk.bytes).await,
            StandardStream::Stderr => context.console().stderr(chunk.bytes).await,
        }
    }
}

async fn conclude(context: &Context, task: &Task, run: i64) -> CommandResult {
    let name = &task.app_name;
    let Some(run) = context.app.store.cron_run(task.app, run).await? else {
        return Err(CommandError::no_such_app(name));
    };
    let note = run.note.clone().unwrap_or_default();
    match (run.status, run.exit_code) {
        (CronStatus::Running, _) => Err(CommandError::user("The server is stopping; the task goes on")
            .hint(format!("See what becomes of it: cron:logs {name} {}", run.id))),
        (CronStatus::TimedOut, _) => {
            let seconds = run.deadline.saturating_sub(run.started_at);
            context.console().warn(format!("Ended after {seconds} s (ttl-seconds)")).await;
            Ok(124)
        }
        (_, None) => Err(CommandError::user(format!("Run {} has failed: {note}", run.id))),
        (_, Some(code)) => {
            if !note.is_empty() {
                context.console().warn(note).await;
            }
            Ok(u8::try_from(code).unwrap_or(1))
        }
    }
}
