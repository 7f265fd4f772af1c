//! `ps:scale`.

use clap::Args;
use serde::Serialize;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::ps::check_process_types;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::{self, Work};
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::process_type::{MOST_INSTANCES, ProcessType};
use crate::model::role::Role;
use crate::run::{exclusive, plan};
use crate::store::apps::AppRecord;
use crate::store::formation::Formation;

/// Shows or sets how many instances of each process type run
#[derive(Debug, Args)]
pub struct Scale {
    /// Only record it; the next deploy does it
    #[arg(long)]
    skip_deploy: bool,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: String,
    /// For example web=2 worker=1
    #[arg(value_name = "PROCESS=COUNT")]
    quantities: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    process_type: String,
    quantity: u32,
}

impl Command for Scale {
    const NAME: &'static str = "ps:scale";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        if self.quantities.is_empty() {
            return show(&context, &record, self.format).await;
        }
        check_free(&context, &record).await?;
        let changes: Formation =
            self.quantities.iter().map(|word| parse(word)).collect::<Result<_, CommandError>>()?;
        check_process_types(&context, &record, changes.keys()).await?;
        let mut wanted = formation(&context, &record).await?;
        wanted.extend(changes.clone());
        exclusive::check(&context.app.store.mounts(record.id).await?, &wanted)?;
        let shown: Vec<String> = changes.iter().map(|(name, count)| format!("{name}={count}")).collect();
        context.console().step(format!("Scaling {} processes: {}", record.name, shown.join(" "))).await;
        if self.skip_deploy || record.current_release.is_none() || record.stopped {
            context.app.store.set_formation(record.id, changes).await?;
            let next = if record.stopped { "ps:start" } else { "deploy" };
            context.console().detail(format!("Recorded for the next {next}")).await;
        } else {
            let order = context.order(&record, Work::Scale(changes), &format!("Scale {}", shown.join(" ")));
            deploy::run(&context.app, order).await?;
        }
        let event = || Event::PostScale {
            app: record.name.clone(),
            by: context.caller.name.clone(),
            quantities: wanted.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
        };
        context.app.hooks.tell(Hook::PostScale, Scene::command(context.console()), event).await;
        Ok(0)
    }
}

fn parse(word: &str) -> Result<(ProcessType, u32), CommandError> {
    let (name, count) = word.split_once('=').ok_or_else(|| wrong_count("Missing", word))?;
    let invalid = || wrong_count("Invalid", name);
    let count = count.parse().ok().filter(|count| *count <= MOST_INSTANCES).ok_or_else(invalid)?;
    Ok((name.parse().map_err(CommandError::user)?, count))
}

fn wrong_count(what: &str, name: &str) -> CommandError {
    CommandError::user(format!("{what} count for process type {name}"))
        .hint(format!("Write a number from 0 to {MOST_INSTANCES}: {name}=2"))
}

/// Refuses to scale an app whose app.json says how many instances there are: the next deploy would undo it.
async fn check_free(context: &Context, record: &AppRecord) -> Result<(), CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    if release.is_none_or(|release| release.content.app_json.formation.is_empty()) {
        return Ok(());
    }
    let name = &record.name;
    let message =
        format!("App {name} contains an app.json file with a formations key and cannot be manually scaled");
    Err(CommandError::user(message).hint("Change formation in app.json, and push that"))
}

/// The quantities that hold: those of the release's process types, and what was set before there was one.
async fn formation(context: &Context, record: &AppRecord) -> Result<Formation, CommandError> {
    let set = context.app.store.formation(record.id).await?;
    match record.current_release {
        Some(id) => {
            let release = context.app.store.release(id).await?;
            let processes = release.map(|release| release.content.processes).unwrap_or_default();
            Ok(plan::wanted(processes.keys(), &set))
        }
        None => Ok(set),
    }
}

async fn show(context: &Context, record: &AppRecord, format: Format) -> CommandResult {
    let formation = formation(context, record).await?;
    let console = context.console();
    if format == Format::Json {
        let row = |(name, quantity): (&ProcessType, &u32)| Row {
            process_type: name.to_string(),
            quantity: *quantity,
        };
        print_json(console, &formation.iter().map(row).collect::<Vec<_>>()).await?;
        return Ok(0);
    }
    console.step(format!("Scaling for {}", record.name)).await;
    let head = [["proctype:", "qty"], ["--------:", "---"]];
    let head = head.into_iter().map(|cells| cells.map(str::to_owned).to_vec());
    let body = formation.iter().map(|(name, quantity)| vec![format!("{name}:"), quantity.to_string()]);
    console.stdout(columns(&head.chain(body).collect::<Vec<_>>())).await;
    Ok(0)
}
