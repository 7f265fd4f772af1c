//! `ENGINE:*`: services of the engines that plugins describe. Each command is there under every engine's name:
//! `mysql:create`, `redis:create`.

pub mod backup;
pub mod backup_auth;
pub mod backup_encryption;
pub mod backup_schedule;
pub mod clone;
pub mod connect;
pub mod create;
pub mod destroy;
pub mod events;
pub mod export;
pub mod expose;
pub mod import;
pub mod info;
pub mod link;
pub mod links;
pub mod list;
pub mod logs;
pub mod restore;
pub mod rotate;
pub mod run_state;
pub mod set;
pub mod upgrade;

use clap::Args;

use crate::app::lease::Lease;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::config_var::{ConfigValue, ConfigVars};
use crate::model::service::{ServiceProperties, ServiceProperty};
use crate::services::Service;
use crate::services::backup::Asker;
use crate::services::contents::Counts;
use crate::services::image::Wish;

/// What `create` and its like can be told of image and container.
#[derive(Clone, Debug, Default, Args)]
pub struct ContainerFlags {
    /// The image, if not the engine's own
    #[arg(short, long)]
    image: Option<String>,
    /// The image's version
    #[arg(short = 'I', long)]
    image_version: Option<String>,
    /// Arguments for the engine, behind its own
    #[arg(short, long, allow_hyphen_values = true)]
    config_options: Option<String>,
    /// Variables of the container: "A=b;C=d"
    #[arg(short = 'C', long)]
    custom_env: Option<String>,
    /// The most memory that it may use, in MB or with a unit: 512, 1g
    #[arg(short, long)]
    memory: Option<String>,
    /// A network that it joins when it is made
    #[arg(short = 'N', long)]
    initial_network: Option<String>,
    /// Networks that it joins before it is started, with commas between
    #[arg(short = 'P', long)]
    post_create_network: Option<String>,
    /// Networks that it joins once it is ready, with commas between
    #[arg(short = 'S', long)]
    post_start_network: Option<String>,
    /// The size of /dev/shm: 64m
    #[arg(short, long)]
    shm_size: Option<String>,
}

impl ContainerFlags {
    /// Image and version.
    pub fn wish(&self) -> Wish {
        Wish { image: self.image.clone(), version: self.image_version.clone() }
    }

    /// What the flags set.
    pub fn properties(&self) -> ServiceProperties {
        let pairs = [
            (ServiceProperty::ConfigOptions, &self.config_options),
            (ServiceProperty::Memory, &self.memory),
            (ServiceProperty::InitialNetwork, &self.initial_network),
            (ServiceProperty::PostCreateNetwork, &self.post_create_network),
            (ServiceProperty::PostStartNetwork, &self.post_start_network),
            (ServiceProperty::ShmSize, &self.shm_size),
        ];
        pairs.into_iter().filter_map(|(property, value)| Some((property, value.clone()?))).collect()
    }

    /// The variables of `--custom-env`.
    pub fn environment(&self) -> Result<ConfigVars, CommandError> {
        let text = self.custom_env.as_deref().unwrap_or_default();
        text.split(';').filter(|pair| !pair.trim().is_empty()).map(variable).collect()
    }
}

fn variable(pair: &str) -> Result<(crate::model::config_var::ConfigKey, ConfigValue), CommandError> {
    let unusable = || {
        CommandError::user(format!("`{pair}` is no variable")).hint("Write them as \"ALPHA=one;BETA=two\"")
    };
    let (key, value) = pair.trim_start().split_once('=').ok_or_else(unusable)?;
    let value = ConfigValue::from_bytes(value.as_bytes().to_vec()).map_err(CommandError::user)?;
    Ok((key.parse().map_err(|_| unusable())?, value))
}

/// The service's lease, and the service as it is recorded now that nobody else changes it.
pub async fn hold(context: &Context) -> Result<(Lease, Service), CommandError> {
    hold_service(context, context.service()?).await
}

/// The same of a service that the arguments do not name alone.
pub async fn hold_service(context: &Context, service: &Service) -> Result<(Lease, Service), CommandError> {
    let id = service.record.id;
    let lease = match context.app.service_leases.try_acquire(id) {
        Some(lease) => lease,
        None => {
            context.console().step(format!("Waiting until {service} is not busy any more...")).await;
            context.app.service_leases.acquire(id).await
        }
    };
    Ok((lease, service.refreshed(&context.app).await?))
}

/// The caller, who waits.
pub fn asker(context: &Context) -> Asker {
    Asker { name: context.caller.name.clone(), gone: context.io.client_gone.clone() }
}

/// Shows how much is in each table, or whatever the engine has.
pub async fn show_counts(context: &Context, counts: &Counts) {
    let rows: u64 = counts.values().sum();
    if !counts.is_empty() {
        context.console().detail(format!("{} tables or the like, {rows} rows in all", counts.len())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_variables_are_separated_by_semicolons() {
        let flags = |text: &str| ContainerFlags { custom_env: Some(text.to_owned()), ..Default::default() };
        let found = flags("A=b;C=d=e;").environment().unwrap();
        let shown: Vec<_> = found.iter().map(|(key, value)| format!("{key}={}", value.expose())).collect();
        assert_eq!(shown, ["A=b", "C=d=e"]);
        assert!(flags("A").environment().is_err());
        assert!(flags("A B=c").environment().is_err());
        assert!(ContainerFlags::default().environment().unwrap().is_empty());
    }
}
