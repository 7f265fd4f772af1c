//! `docker-options:{add,remove,list}` for the build phase: build arguments.

use std::collections::BTreeMap;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, print_lines};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::config_var::ConfigKey;
use crate::model::role::Role;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// Adds a build argument: docker-options:add APP build "--build-arg NAME=VALUE"
#[derive(Debug, Args)]
pub struct Add {
    /// The app
    app: String,
    /// The phase: build
    phase: String,
    /// --build-arg NAME=VALUE, or --build-arg NAME for the config var of that name
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    option: Vec<String>,
}

/// Removes a build argument
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: String,
    /// The phase: build
    phase: String,
    /// --build-arg NAME, with or without its value
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    option: Vec<String>,
}

/// Lists the build arguments of an app
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: String,
}

impl Command for Add {
    const NAME: &'static str = "docker-options:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = context.target()?.id;
        let new = parse(&self.phase, &self.option)?;
        let mut arguments = read(&context.app.store, app).await?;
        arguments.extend(new);
        write(&context.app.store, app, &arguments).await?;
        Ok(0)
    }
}

impl Command for Remove {
    const NAME: &'static str = "docker-options:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = context.target()?.id;
        let mut arguments = read(&context.app.store, app).await?;
        for name in parse(&self.phase, &self.option)?.keys() {
            if arguments.remove(name).is_none() {
                return Err(CommandError::user(format!("There is no build argument {name}")));
            }
        }
        write(&context.app.store, app, &arguments).await?;
        Ok(0)
    }
}

impl Command for List {
    const NAME: &'static str = "docker-options:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let arguments = read(&context.app.store, context.target()?.id).await?;
        let option = |(name, value): (String, String)| {
            let value = if value.is_empty() { value } else { format!("={value}") };
            format!("--build-arg {name}{value}")
        };
        let options: Vec<String> = arguments.into_iter().map(option).collect();
        print_lines(context.console(), self.format, &options).await?;
        Ok(0)
    }
}

/// Reads `--build-arg NAME[=VALUE]`, several of them, as one word or as many.
fn parse(phase: &str, option: &[String]) -> Result<BTreeMap<String, String>, CommandError> {
    let unsupported = || {
        CommandError::user("Only --build-arg for the phase build is supported")
            .hint("For example: docker-options:add blog build --build-arg NODE_ENV=production")
    };
    if phase != "build" {
        return Err(unsupported());
    }
    let words: Vec<String> = match option {
        [one] => shlex::split(one).ok_or_else(unsupported)?,
        many => many.to_vec(),
    };
    let mut arguments = BTreeMap::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--build-arg=") {
            Some(pair) => pair.to_owned(),
            None if word == "--build-arg" => words.next().ok_or_else(unsupported)?,
            None => return Err(unsupported()),
        };
        let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
        let name: ConfigKey = name.parse().map_err(CommandError::user)?;
        arguments.insert(name.to_string(), value.to_owned());
    }
    Ok(arguments)
}

async fn read(store: &Store, app: AppId) -> Result<BTreeMap<String, String>, CommandError> {
    let text = store.property(Some(app), "build-args").await?;
    let Some(text) = text else { return Ok(BTreeMap::new()) };
    Ok(serde_json::from_str(&text).map_err(|error| StoreError::Damaged(error.to_string()))?)
}

async fn write(store: &Store, app: AppId, arguments: &BTreeMap<String, String>) -> Result<(), CommandError> {
    let text = serde_json::to_string(arguments).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(store.set_property(Some(app), "build-args", Some(text)).await?)
}
