//! `drains:add`.

use clap::Args;
use tokio::task::spawn_blocking;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::drains::connection::certificates;
use crate::hooks::Scene;
use crate::model::drain_url::{DrainUrl, DrainUrlError};
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;
use crate::store::drains::DrainProgress;

/// Drains of one app.
const MOST: usize = 10;
/// The longest certificate.
const LONGEST_AUTHORITY: usize = 64 << 10;

/// Sends an app's log on, from now on: syslog://HOST:PORT, syslog+tls://HOST:PORT, https://… or http://…
#[derive(Debug, Args)]
pub struct Add {
    /// Also trust the authority whose certificate (PEM) is given on standard input
    #[arg(long)]
    ca: bool,
    /// The app
    app: String,
    /// Where to; user, password, path and query are kept secret
    url: String,
}

impl Command for Add {
    const NAME: &'static str = "drains:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let url: DrainUrl = self.url.parse().map_err(unusable)?;
        let authority = if self.ca { Some(read_authority(&mut context, &url).await?) } else { None };
        let app = &context.app;
        let others = app.store.drains(Some(record.id)).await?;
        if others.iter().any(|other| other.url.expose() == url.expose()) {
            return Err(CommandError::user(format!("{} has the drain {url} already", record.name))
                .hint(format!("See them: drains:list {}", record.name)));
        }
        if others.len() >= MOST {
            return Err(CommandError::user(format!("{} has {MOST} drains, which is the most", record.name))
                .hint(format!("Remove one: drains:remove {} NUMBER", record.name)));
        }
        app.logs.catch_up(record.id).await;
        let reader = app.logs.reader(record.id);
        let unreadable =
            |error: std::io::Error| CommandError::internal("The app's log cannot be read", error);
        let end = spawn_blocking(move || reader.end()).await.map_err(|error| unreadable(error.into()))?;
        let end = end.map_err(unreadable)?;
        let progress = DrainProgress { offset: end.offset, line: end.line, dropped: 0 };
        let number = app.store.add_drain(record.id, url.clone(), authority, progress).await?;
        app.drains.changed();
        let event = || Event::PostDrainsUpdate {
            app: record.name.clone(),
            by: context.caller.name.clone(),
            action: "add".to_owned(),
        };
        context.app.hooks.tell(Hook::PostDrainsUpdate, Scene::command(context.console()), event).await;
        context.console().step(format!("Added drain {number} of {}: {url}", record.name)).await;
        if !url.kind().is_encrypted() {
            context.console().detail("Lines go there unencrypted: use this in a private network only").await;
        }
        Ok(0)
    }
}

/// What is wrong with the URL, without the URL: it may hold a password.
fn unusable(error: DrainUrlError) -> CommandError {
    CommandError::user(format!("The drain's URL cannot be used: {error}"))
        .hint("Write syslog://HOST:PORT, syslog+tls://HOST:PORT, https://HOST/PATH or http://HOST/PATH")
}

async fn read_authority(context: &mut Context, url: &DrainUrl) -> Result<String, CommandError> {
    if !url.kind().is_encrypted() {
        return Err(CommandError::user("--ca is of no use: this drain is not encrypted")
            .hint("Use syslog+tls:// or https://"));
    }
    let bytes = context.io.read_stdin(LONGEST_AUTHORITY).await.map_err(CommandError::user)?;
    let wrong = |error: &dyn std::fmt::Display| {
        CommandError::user(format!("The certificate on standard input cannot be used: {error}"))
            .hint("Give it in PEM form: drains:add --ca APP URL < ca.pem")
    };
    let pem = String::from_utf8(bytes).map_err(|error| wrong(&error))?;
    certificates(&pem).map_err(|error| wrong(&error))?;
    Ok(pem)
}
