//! `ENGINE:set`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::model::service::ServiceProperty;
use crate::services::container;

/// Sets or unsets a property of a service; it takes effect when the service is restarted
#[derive(Debug, Args)]
pub struct Set {
    /// The service
    service: String,
    /// config-options, cpu, initial-network, memory, post-create-network, post-start-network or shm-size
    property: String,
    /// The value; without one the property is unset
    #[arg(allow_hyphen_values = true)]
    value: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "service:set";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let property: ServiceProperty = self.property.parse().map_err(CommandError::user)?;
        let (_lease, service) = hold(&context).await?;
        let mut properties = service.record.properties.clone();
        let value = self.value.join(" ");
        let what = if value.is_empty() {
            properties.remove(&property);
            format!("Unsetting {}", self.property)
        } else {
            properties.insert(property, value.clone());
            format!("Setting {} to {value}", self.property)
        };
        container::check(&properties)?;
        let (store, id) = (&context.app.store, service.record.id);
        store.set_service_properties(id, &properties).await?;
        store.note_service_event(id, &context.caller.name, format!("{} set", self.property)).await?;
        let console = context.console();
        console.headline(what).await;
        let record = &service.record;
        console.detail(format!("Takes effect with {}:restart {}", record.engine, record.name)).await;
        Ok(0)
    }
}
