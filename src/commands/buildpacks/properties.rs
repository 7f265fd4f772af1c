//! `buildpacks:set-property` and `buildpacks:report`.

use clap::Args;

use crate::build::buildpacks::stack;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::buildpacks::chosen;
use crate::commands::property::{self, Property};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::prepare;
use crate::formats::image_reference::ImageReference;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

const PROPERTIES: &[Property] = &[Property { key: "stack", name: prepare::STACK, check: check_stack }];

/// Sets a property of buildpack builds: stack, an image such as heroku/heroku:24 (its -build image is found by itself);
/// without a value, Slipway's own
#[derive(Debug, Args)]
pub struct SetProperty {
    #[command(flatten)]
    arguments: property::SetArguments,
}

/// Reports the buildpacks and the stack of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --buildpacks-list, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for SetProperty {
    const NAME: &'static str = "buildpacks:set-property";
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
    const NAME: &'static str = "buildpacks:report";
    const TITLE: &'static str = "buildpacks";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let store = &context.app.store;
        let list: Vec<String> = chosen(store, record.id).await?.iter().map(ToString::to_string).collect();
        let mut rows = vec![("list".to_owned(), list.join(","))];
        rows.extend(property::rows(store, record.id, PROPERTIES).await?);
        property::fill_in(&mut rows, &[("stack", stack::NAME.to_owned())]);
        Ok(rows)
    }
}

fn check_stack(value: &str) -> Result<(), CommandError> {
    value.parse::<ImageReference>().map(drop).map_err(CommandError::user)
}
