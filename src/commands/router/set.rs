//! `router:set`.

use clap::Args;

use slipway_router::policy::headers::name_and_value::HeaderError;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::SetArguments;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::hostname::Hostname;
use crate::model::role::Role;
use crate::requests::catalogue::{HEADER_PREFIX, setting, settings, stored_name};
use crate::requests::draft::Draft;
use crate::requests::policy::response_header;
use crate::urls;

/// One host cannot be that of all apps.
const CANONICAL_HOST: &str = "canonical-host";

/// Sets what holds for an app's requests: timeouts, limits, headers and more; router:report lists them
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "router:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let Some((key, words)) = self.arguments.property() else {
            return Err(CommandError::user("No property specified").hint(known()));
        };
        let value = words.join(" ");
        set(&context, &self.arguments, &[key], &value).await?;
        let done =
            if value.is_empty() { format!("Unsetting {key}") } else { format!("Setting {key} to {value}") };
        context.console().headline(done).await;
        if !value.is_empty() {
            warn(&context, key).await;
        }
        Ok(0)
    }
}

/// Sets all of some settings to a value, or unsets them where it is empty, and puts that in force.
pub async fn set(
    context: &Context,
    arguments: &SetArguments,
    keys: &[&str],
    value: &str,
) -> Result<(), CommandError> {
    let app = arguments.owner(context)?;
    let mut names = Vec::new();
    for key in keys {
        names.push(check(key, value)?);
        check_canonical_host(context, arguments, key, value).await?;
    }
    for name in names {
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        context.app.store.set_property(app, name, value).await?;
    }
    context.app.reconciler.publish_routes().await;
    Ok(())
}

/// The name under which a setting's value is stored, if it may have that value.
fn check(key: &str, value: &str) -> Result<String, CommandError> {
    if let Some(name) = key.strip_prefix(HEADER_PREFIX) {
        let header = response_header(name, value).map_err(unusable_header)?;
        return Ok(stored_name(&format!("{HEADER_PREFIX}{}", header.name)));
    }
    let Some(setting) = setting(key) else {
        return Err(CommandError::user(format!("Invalid property specified: {key}")).hint(known()));
    };
    if !value.is_empty() {
        (setting.apply)(&mut Draft::default(), value).map_err(|error| {
            CommandError::user(error).hint(format!("For example: router:set APP {key} {}", setting.example))
        })?;
    }
    Ok(stored_name(key))
}

fn unusable_header(error: HeaderError) -> CommandError {
    CommandError::user(error)
        .hint("For example: router:set APP header:X-Frame-Options DENY, or - as a value to take one away")
}

fn known() -> String {
    let keys: Vec<&str> = settings().map(|setting| setting.key).collect();
    format!("Valid properties: {}, {HEADER_PREFIX}NAME", keys.join(", "))
}

/// Requests that are sent to a host which is not the app's would never come back.
async fn check_canonical_host(
    context: &Context,
    arguments: &SetArguments,
    key: &str,
    value: &str,
) -> Result<(), CommandError> {
    if key != CANONICAL_HOST || matches!(value, "" | "none") {
        return Ok(());
    }
    if arguments.owner(context)?.is_none() {
        return Err(CommandError::user(format!("{CANONICAL_HOST} cannot be set for all apps"))
            .hint(format!("Set it for one: router:set APP {CANONICAL_HOST} {value}")));
    }
    let record = context.target()?;
    let host: Hostname = value.parse().map_err(CommandError::user)?;
    let names = urls::all_hostnames(&context.app, record).await?;
    if names.iter().any(|name| name.covers(host.as_str())) {
        return Ok(());
    }
    Err(CommandError::user(format!("{host} is not a domain of {}", record.name))
        .hint(format!("Add it first: domains:add {} {host}", record.name)))
}

/// Says what a value needs to have an effect.
async fn warn(context: &Context, key: &str) {
    let needs_https = matches!(key, "https-redirect" | "hsts");
    if needs_https && context.app.https_address.is_none() {
        context
            .console()
            .warn("HTTPS is not served: set https-listen in slipway.toml for this to have an effect")
            .await;
    }
}
