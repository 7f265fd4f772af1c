//! `app-json:set` and `app-json:report`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property, check_path};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::store::apps::AppRecord;

const PROPERTIES: &[Property] = &[Property { key: "appjson-path", name: "appjson-path", check: check_path }];

/// Sets where the app.json is: appjson-path, from the top of the build directory
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

/// Reports where the app.json of one app is, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "app-json:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        property::set(&context, &self.arguments, PROPERTIES).await
    }
}

impl AppReport for Report {
    const NAME: &'static str = "app-json:report";
    const TITLE: &'static str = "app-json";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        Ok(property::rows(&context.app.store, record.id, PROPERTIES).await?)
    }
}
