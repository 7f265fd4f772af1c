//! `logs:failed`.

use clap::Args;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::journal;
use crate::model::build::BuildStatus;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Builds that are looked through.
const BUILDS: u32 = 1000;

/// Prints what an app's last failed deploy printed, with the last lines of the instances that failed
#[derive(Debug, Args)]
pub struct Failed {
    /// Every app that you may see
    #[arg(long, conflicts_with = "app")]
    all: bool,
    /// The app
    #[arg(required_unless_present = "all")]
    app: Option<String>,
}

impl Command for Failed {
    const NAME: &'static str = "logs:failed";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        self.app.clone().map_or(Target::Every, Target::One)
    }

    async fn run(self, context: Context) -> CommandResult {
        for record in &context.targets {
            print(&context, record, self.all).await?;
        }
        Ok(0)
    }
}

async fn print(context: &Context, record: &AppRecord, silent: bool) -> Result<(), CommandError> {
    let (console, name) = (context.console(), &record.name);
    let builds = context.app.store.builds(Some(record.id), BUILDS).await?;
    let Some(build) = builds.into_iter().find(|build| build.status == BuildStatus::Failed) else {
        if !silent {
            console.step(format!("No deploy of {name} has failed lately")).await;
        }
        return Ok(());
    };
    let from = clock::format_seconds(build.started_at);
    console.headline(format!("{name} build {} by {}, failed at {from}", build.id, build.started_by)).await;
    match tokio::fs::read(journal::path(&context.app.settings.root, build.id)).await {
        Ok(output) => console.stdout(output).await,
        Err(error) => console.warn(format!("The output of that build was not kept: {error}")).await,
    }
    let until = build.finished_at.map(|time| format!(" --until {}", clock::format_seconds(time + 1)));
    let until = until.unwrap_or_default();
    console.detail(format!("All that was printed meanwhile: logs {name} --since {from}{until}")).await;
    Ok(())
}
