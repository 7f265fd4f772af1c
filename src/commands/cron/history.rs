//! `cron:history`.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::CommandResult;
use crate::commands::cron::{outcome, task};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::cron::history::KEEP;
use crate::model::role::Role;
use crate::store::cron::CronRun;

/// Lists the last runs of an app's scheduled tasks, or of one of them, newest first
#[derive(Debug, Args)]
pub struct History {
    /// The app
    app: String,
    /// Only this task's, see `cron:list`
    id: Option<String>,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Row {
    run: i64,
    task: String,
    trigger: String,
    status: String,
    exit_code: Option<i64>,
    times: u32,
    started_at: String,
    finished_at: Option<String>,
    seconds: Option<i64>,
    command: String,
    note: Option<String>,
    #[serde(skip)]
    outcome: String,
}

impl Command for History {
    const NAME: &'static str = "cron:history";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let only = match &self.id {
            Some(id) => Some(task(&context, id).await?.id),
            None => None,
        };
        let runs = context.app.store.cron_runs(context.target()?.id, only, KEEP).await?;
        let rows: Vec<Row> = runs.into_iter().map(Row::of).collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        let head = ["Run", "Task", "Trigger", "Status", "Started", "Took", "Command"];
        let head = head.map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.into_iter().map(Row::cells)).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

impl Row {
    fn of(run: CronRun) -> Self {
        Self {
            outcome: outcome(&run),
            run: run.id,
            task: run.task.to_string(),
            trigger: run.trigger.to_string(),
            status: run.status.to_string(),
            exit_code: run.exit_code,
            times: run.times,
            started_at: clock::format_seconds(run.started_at),
            finished_at: run.finished_at.map(clock::format_seconds),
            seconds: run.finished_at.map(|end| end.saturating_sub(run.started_at).max(0)),
            command: run.command,
            note: run.note,
        }
    }

    fn cells(self) -> Vec<String> {
        let took = self.seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"));
        let outcome = match self.note {
            Some(note) => format!("{}: {note}", self.outcome),
            None => self.outcome,
        };
        vec![self.run.to_string(), self.task, self.trigger, outcome, self.started_at, took, self.command]
    }
}
