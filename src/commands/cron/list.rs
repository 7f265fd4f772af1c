//! `cron:list`.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::CommandResult;
use crate::commands::cron::{local, outcome, tasks};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::cron::agenda::Task;
use crate::cron::tasks::Pauses;
use crate::model::app_json::ConcurrencyPolicy;
use crate::model::role::Role;
use crate::store::cron::CronRun;

/// Lists the scheduled tasks of an app, when each is due next, and how its last run ended
#[derive(Debug, Args)]
pub struct List {
    /// The app
    app: String,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A task as programs read it: Dokku's keys, and ours for its runs.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    app: String,
    command: String,
    schedule: String,
    concurrency_policy: ConcurrencyPolicy,
    #[serde(rename = "app-in-maintenance")]
    app_in_maintenance: bool,
    #[serde(rename = "task-in-maintenance")]
    task_in_maintenance: bool,
    #[serde(rename = "app-stopped")]
    app_stopped: bool,
    maintenance: bool,
    next_at: Option<String>,
    last_run: Option<i64>,
    last_status: Option<String>,
    last_exit_code: Option<i64>,
    last_at: Option<String>,
    #[serde(skip)]
    last: Option<String>,
}

impl Command for List {
    const NAME: &'static str = "cron:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let last = context.app.store.last_cron_runs(context.target()?.id).await?;
        let tasks = tasks(&context).await?;
        let last_of = |task: &Task| last.iter().find(|run| run.task == task.id);
        let rows: Vec<Row> =
            tasks.iter().map(|(task, pauses)| Row::of(task, *pauses, last_of(task))).collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        let head = ["ID", "Schedule", "Concurrency", "Maintenance", "Next", "Last", "Command"];
        let head = head.map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.into_iter().map(Row::cells)).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

impl Row {
    fn of(task: &Task, pauses: Pauses, last: Option<&CronRun>) -> Self {
        let next = task.schedule.next(clock::now(), &task.zone).filter(|_| !task.paused);
        Self {
            id: task.id.to_string(),
            app: task.app_name.to_string(),
            command: task.entry.command.clone(),
            schedule: task.entry.schedule.clone(),
            concurrency_policy: task.entry.concurrency_policy,
            app_in_maintenance: pauses.app_in_maintenance,
            task_in_maintenance: pauses.task_in_maintenance,
            app_stopped: pauses.app_stopped,
            maintenance: task.paused,
            next_at: next.map(|next| local(next, &task.zone)),
            last_run: last.map(|run| run.id),
            last_status: last.map(|run| run.status.to_string()),
            last_exit_code: last.and_then(|run| run.exit_code),
            last_at: last.map(|run| clock::format_seconds(run.started_at)),
            last: last.map(outcome),
        }
    }

    fn cells(self) -> Vec<String> {
        let why = match (self.app_stopped, self.app_in_maintenance, self.task_in_maintenance) {
            (true, ..) => "true (app is stopped)",
            (_, true, _) => "true (app)",
            (.., true) => "true (task)",
            _ => "false",
        };
        let none = || "-".to_owned();
        vec![
            self.id,
            self.schedule,
            policy(self.concurrency_policy).to_owned(),
            why.to_owned(),
            self.next_at.unwrap_or_else(none),
            self.last.zip(self.last_at).map_or_else(none, |(last, at)| format!("{last} {at}")),
            self.command,
        ]
    }
}

fn policy(policy: ConcurrencyPolicy) -> &'static str {
    match policy {
        ConcurrencyPolicy::Allow => "allow",
        ConcurrencyPolicy::Forbid => "forbid",
        ConcurrencyPolicy::Replace => "replace",
    }
}
