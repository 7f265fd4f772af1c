//! `router:error-page`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::router::read_page;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::kept::ERROR_PAGE;
use crate::requests::policy::status_of;

/// Takes an HTML page from standard input for the router's own answers with a status, such as 502, or any
#[derive(Debug, Args)]
pub struct ErrorPage {
    /// Show the router's own page again
    #[arg(long)]
    clear: bool,
    /// The app
    app: String,
    /// 400 to 599, or any
    status: String,
}

impl Command for ErrorPage {
    const NAME: &'static str = "router:error-page";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let (id, status) = (context.target()?.id, self.status);
        if status_of(&status).is_none() {
            return Err(CommandError::user(format!("{status} is not a status of errors"))
                .hint(format!("Write 400 to 599: router:error-page {} 502 < page.html", self.app)));
        }
        let page = if self.clear {
            None
        } else {
            Some(
                read_page(&mut context, &format!("router:error-page {} {status} < page.html", self.app))
                    .await?,
            )
        };
        let done = match &page {
            Some(page) => format!("Set the page for {status} of {} ({} bytes)", self.app, page.len()),
            None => format!("Cleared the page for {status} of {}", self.app),
        };
        context.app.store.set_property(Some(id), format!("{ERROR_PAGE}{status}"), page).await?;
        context.app.reconciler.publish_routes().await;
        context.console().step(done).await;
        Ok(0)
    }
}
