//! `network:set` and `network:report`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::network::choice;
use crate::commands::property::{self, Property, SetArguments};
use crate::commands::report::{AppReport, Rows};
use crate::commands::resource::tell_when;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::hostname::Hostname;
use crate::model::role::Role;
use crate::run::options::{ATTACH_POST_CREATE, ATTACH_POST_DEPLOY, INITIAL_NETWORK, TLD};
use crate::store::apps::AppRecord;

const PROPERTIES: &[Property] = &[
    Property { key: "attach-post-create", name: ATTACH_POST_CREATE, check: anything },
    Property { key: "attach-post-deploy", name: ATTACH_POST_DEPLOY, check: anything },
    Property { key: "initial-network", name: INITIAL_NETWORK, check: anything },
    Property { key: "tld", name: TLD, check: check_tld },
];

/// Sets which networks an app joins: attach-post-create, attach-post-deploy, initial-network, tld
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: SetArguments,
}

/// Reports the networks of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --network-attach-post-create, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "network:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let (key, networks) = self.arguments.property().unwrap_or_default();
        match key {
            "bind-all-interfaces" | "static-web-listener" => {
                return Err(CommandError::user(format!(
                    "{key} is not supported: nothing of an app's is published"
                ))
                .hint("The router reaches every app by itself; let it listen elsewhere: ports:add"));
            }
            "tld" => {}
            _ => {
                for network in networks {
                    choice::check(&context, network).await?;
                }
            }
        }
        let status = property::set(&context, &self.arguments, PROPERTIES).await?;
        if let Some(record) = context.targets.first() {
            tell_when(&context, record).await;
        }
        Ok(status)
    }
}

impl AppReport for Report {
    const NAME: &'static str = "network:report";
    const TITLE: &'static str = "network";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        Ok(property::rows(&context.app.store, record.id, PROPERTIES).await?)
    }
}

/// What networks there are only the engine knows: they were checked before.
fn anything(_value: &str) -> Result<(), CommandError> {
    Ok(())
}

fn check_tld(value: &str) -> Result<(), CommandError> {
    // It is written behind a dot as it stands.
    let is_end = value.is_ascii() && value.parse::<Hostname>().is_ok_and(|name| !name.is_literal());
    if is_end {
        return Ok(());
    }
    Err(CommandError::user(format!("{value} is not the end of a host name")).hint("For example: internal"))
}
