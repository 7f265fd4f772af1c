//! `apps:destroy`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target, links};
use crate::deploy::destroy;
use crate::model::role::Role;

/// Destroys an app with its containers, releases and repository
#[derive(Debug, Args)]
pub struct Destroy {
    /// The app
    app: String,
    /// Do not ask for the app's name
    #[arg(long)]
    force: bool,
}

impl Command for Destroy {
    const NAME: &'static str = "apps:destroy";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let record = context.target()?.clone();
        links::release(&context, &record, self.force).await?;
        if !self.force {
            confirm(&mut context, record.name.as_str()).await?;
        }
        let console = context.console();
        console.step(format!("Destroying {} (including all add-ons)", record.name)).await;
        destroy::destroy(&context.app, &record, console).await?;
        Ok(0)
    }
}

/// Asks for the app's name; anything else, the end of the input included, is a no.
async fn confirm(context: &mut Context, name: &str) -> Result<(), CommandError> {
    let console = context.io.console.clone();
    console.warn("WARNING: Potentially Destructive Action").await;
    console.warn(format!("This command will destroy app {name}.")).await;
    console.warn(format!("To proceed, type \"{name}\"")).await;
    console.stdout("> ").await;
    let answer = read_line(context).await;
    console.line("").await;
    if answer.trim() == name {
        return Ok(());
    }
    Err(CommandError::user("Confirmation did not match test. Aborted.")
        .hint(format!("Type the app's name, or use apps:destroy --force {name}")))
}

/// One line of the client's input, at most 4 KiB of it.
async fn read_line(context: &mut Context) -> String {
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < 4096 {
        match context.io.stdin.recv().await {
            Some(bytes) => line.extend_from_slice(&bytes),
            None => break,
        }
    }
    String::from_utf8_lossy(&line).into_owned()
}
