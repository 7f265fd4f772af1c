//! `redirect:*`: paths of an app whose requests are sent elsewhere.

use clap::Args;
use slipway_router::policy::redirects::RedirectError;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{AppReport, Rows};
use crate::commands::router::{change_kept, kept};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::kept::{REDIRECTS, Redirect, check_redirects};
use crate::store::apps::AppRecord;

/// Redirects of one app: each costs every request a comparison.
const MOST: usize = 200;

/// Sends requests for a path of an app elsewhere; the first redirect that fits wins
#[derive(Debug, Args)]
pub struct Add {
    /// The app
    app: String,
    /// A path, `/old`; with a `*` at its end all that begin so, `/blog/*`
    from: String,
    /// A path, or a whole URL; a `*` at its end is what the other one stood for
    to: String,
    /// 301, 302, 303, 307 or 308
    #[arg(default_value_t = 301)]
    status: u16,
}

impl Command for Add {
    const NAME: &'static str = "redirect:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let redirect = Redirect { from: self.from, to: self.to, status: self.status };
        redirect.rule().map_err(|error| unusable(error, &self.app))?;
        let done = format!(
            "Added redirect of {}: {} to {} ({})",
            self.app, redirect.from, redirect.to, redirect.status
        );
        let app = self.app;
        change_kept(&context, REDIRECTS, move |redirects: &mut Vec<Redirect>| {
            let is_full = redirects.len() >= MOST;
            match redirects.iter_mut().find(|known| known.from == redirect.from) {
                Some(known) => *known = redirect,
                None if is_full => {
                    return Err(CommandError::user(format!("{app} has {MOST} redirects, which is the most"))
                        .hint(format!("Remove one: redirect:remove {app} FROM")));
                }
                None => redirects.push(redirect),
            }
            check_redirects(redirects).map_err(|error| unusable(error, &app))
        })
        .await?;
        context.console().step(done).await;
        Ok(0)
    }
}

/// Removes redirects of an app
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: String,
    /// The paths, as they were added
    #[arg(required = true)]
    from: Vec<String>,
}

impl Command for Remove {
    const NAME: &'static str = "redirect:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, unwanted) = (self.app.clone(), self.from.clone());
        change_kept(&context, REDIRECTS, move |redirects: &mut Vec<Redirect>| {
            if let Some(absent) =
                unwanted.iter().find(|from| !redirects.iter().any(|known| known.from == **from))
            {
                return Err(CommandError::user(format!("{app} has no redirect from {absent}"))
                    .hint(format!("See them: redirect:report {app}")));
            }
            redirects.retain(|known| !unwanted.contains(&known.from));
            Ok(())
        })
        .await?;
        context.console().step(format!("Removed redirects of {}: {}", self.app, self.from.join(" "))).await;
        Ok(0)
    }
}

/// Reports the redirects of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "redirect:report";
    const TITLE: &'static str = "redirect";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let redirects: Vec<Redirect> = kept(context, record.id, REDIRECTS).await?;
        let row = |one: Redirect| (one.from, format!("{} {}", one.status, one.to));
        Ok(redirects.into_iter().map(row).collect())
    }
}

fn unusable(error: RedirectError, app: &str) -> CommandError {
    let hint = match error {
        RedirectError::From(_) => {
            format!(
                "For all paths of a host: router:set {app} canonical-host HOST; for one: redirect:add {app} /old /new"
            )
        }
        _ => format!("For example: redirect:add {app} /old/* https://www.example.com/new/* 301"),
    };
    CommandError::user(error).hint(hint)
}
