//! News about the owner's containers, for whoever has to look after them.

use std::collections::HashMap;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt};

use crate::docker::Engine;
use crate::docker::container::ContainerId;
use crate::docker::error::EngineError;
use crate::docker::facts::Health;
use crate::docker::labels::{ContainerLabels, OwnerId, owner_filter};

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerChange {
    /// Its process was started.
    Started,
    /// Its process ended with this code.
    Died(i64),
    /// It is gone.
    Destroyed,
    /// Its image's check came to another verdict.
    Health(Health),
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// Which container.
    pub id: ContainerId,
    /// What it is for.
    pub labels: ContainerLabels,
    /// What happened.
    pub change: ContainerChange,
}

impl Engine {
    /// News from now on. Ends when the engine does; then everything may have changed, and has to be listed anew.
    pub async fn events(
        &self,
    ) -> Result<impl Stream<Item = Result<ContainerEvent, EngineError>> + Send + use<>, EngineError> {
        let wanted = ["start", "die", "destroy", "health_status"].map(str::to_owned).to_vec();
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", wanted),
            ("label", vec![owner_filter(self.owner())]),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        let owner = self.owner().clone();
        let messages = self.client().await?.events(Some(options));
        Ok(messages.filter_map(move |message| {
            let event = match message {
                Ok(message) => read_event(message, &owner).map(Ok),
                Err(error) => Some(Err(error.into())),
            };
            std::future::ready(event)
        }))
    }
}

/// `None` for news that nobody waits for.
fn read_event(message: EventMessage, owner: &OwnerId) -> Option<ContainerEvent> {
    let actor = message.actor?;
    let attributes = actor.attributes?;
    let change = match message.action?.as_str() {
        "start" => ContainerChange::Started,
        "die" => {
            ContainerChange::Died(attributes.get("exitCode").and_then(|code| code.parse().ok()).unwrap_or(-1))
        }
        "destroy" => ContainerChange::Destroyed,
        "health_status: healthy" => ContainerChange::Health(Health::Healthy),
        "health_status: unhealthy" => ContainerChange::Health(Health::Unhealthy),
        _ => return None,
    };
    let labels = ContainerLabels::from_engine(&attributes, owner)?;
    Some(ContainerEvent { id: ContainerId(actor.id?), labels, change })
}
