//! `builds:output`.

use std::io;
use std::time::Duration;

use clap::Args;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::builds::list::find;
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Console;
use crate::deploy::journal;
use crate::model::role::Role;

/// How long the end of the file is looked at again while the build runs.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// Prints what a build printed, and follows it while it runs
#[derive(Debug, Args)]
pub struct Output {
    /// The app
    app: String,
    /// Its number, or `current`; the newest one if not given
    #[arg(default_value = "current")]
    build: String,
}

impl Command for Output {
    const NAME: &'static str = "builds:output";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let build = if self.build == "current" {
            let newest = context.app.store.builds(Some(record.id), 1).await?.into_iter().next();
            newest.ok_or_else(|| CommandError::user(format!("{} has no builds", record.name)))?
        } else {
            let wrong = |_| CommandError::user(format!("{} is not a build's number", self.build));
            find(&context, self.build.parse().map_err(wrong)?).await?
        };
        let path = journal::path(&context.app.settings.root, build.id);
        let gone = |error| CommandError::internal("The output of that build was not kept", error);
        let file = File::open(path).await.map_err(gone)?;
        let runs = || context.app.running_builds.contains(build.id);
        tokio::select! {
            result = copy(file, context.console(), runs) => result.map_err(gone)?,
            () = context.io.client_gone.cancelled() => {}
        }
        Ok(0)
    }
}

/// Copies the file, and what is added to it for as long as the build runs.
async fn copy(mut file: File, console: &Console, runs: impl Fn() -> bool) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let running = runs();
        let length = file.read(&mut buffer).await?;
        if length > 0 {
            console.stdout(buffer.get(..length).unwrap_or_default().to_vec()).await;
        } else if running {
            sleep(PAUSE).await;
        } else {
            return Ok(());
        }
    }
}
