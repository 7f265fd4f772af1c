//! `git:set`, `git:report` and `apps:set`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::git::references::is_branch_name;
use crate::model::release::Source;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

const GIT: &[Property] = &[Property { key: "deploy-branch", name: "deploy-branch", check: check_branch }];
const APPS: &[Property] =
    &[Property { key: "disable-autocreation", name: "disable-autocreation", check: property::check_boolean }];

/// Sets a git property: deploy-branch
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "git:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        property::set(&context, &self.arguments, GIT).await
    }
}

/// Sets a property of apps as a whole: --global disable-autocreation true
#[derive(Debug, Args)]
pub struct SetApps {
    #[command(flatten)]
    arguments: property::SetArguments,
}

impl Command for SetApps {
    const NAME: &'static str = "apps:set";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        if self.arguments.target() != Target::Server {
            return Err(CommandError::user("Property cannot be specified per app").hint("Write --global"));
        }
        property::set(&context, &self.arguments, APPS).await
    }
}

/// Reports the git side of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --git-deploy-branch, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "git:report";
    const TITLE: &'static str = "git";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        rows(context, record).await
    }
}

async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
    let mut rows = property::rows(&context.app.store, record.id, GIT).await?;
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    let (sha, image) = match release.map(|release| release.content.source) {
        Some(Source::Git { commit }) => (commit, String::new()),
        Some(Source::Image { reference }) => (String::new(), reference),
        None => (String::new(), String::new()),
    };
    rows.push(("sha".to_owned(), sha));
    rows.push(("source-image".to_owned(), image));
    Ok(rows)
}

fn check_branch(value: &str) -> Result<(), CommandError> {
    if is_branch_name(value) {
        return Ok(());
    }
    Err(CommandError::user(format!("{value} is not the name of a branch or a tag")))
}
