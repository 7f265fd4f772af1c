//! News about the owner's containers, for whoever has to look after them.

use std::future::ready;
use std::pin::Pin;

use bollard::models::EventMessage;
use futures_util::{Stream, TryStreamExt};
use jiff::Timestamp;
use serde_json::json;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::facts::Health;
use crate::docker::labels::{ContainerLabels, OwnerId, owner_filter};
use crate::docker::wire::{Call, query_value};
use crate::model::container_id::ContainerId;

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerChange {
    /// Its process was started.
    Started,
    /// The kernel killed one of its processes for its use of memory.
    OutOfMemory,
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
    /// Its name.
    pub name: String,
    /// What it is for.
    pub labels: ContainerLabels,
    /// What happened.
    pub change: ContainerChange,
}

/// News until the engine ends.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<ContainerEvent, EngineError>> + Send>>;

impl Engine {
    /// News of everything that happens after this call, also if it is read later.
    ///
    /// Ends when the engine does; then everything may have changed, and has to be listed anew.
    pub async fn events(&self) -> Result<EventStream, EngineError> {
        let since = self.engine_time().await?;
        let filters = json!({
            "type": ["container"],
            "event": ["start", "die", "destroy", "oom", "health_status"],
            "label": [owner_filter(self.owner())],
        });
        let target = format!("/events?since={since}&filters={}", query_value(&filters.to_string()));
        let messages = self.wire().await?.send(Call::get(target)).await?.json_lines::<EventMessage>();
        let owner = self.owner().clone();
        Ok(Box::pin(messages.try_filter_map(move |message| ready(Ok(read_event(message, &owner))))))
    }

    /// News of containers that have left the owner's network, also since it was removed. Which ones is not told: the
    /// list of containers says it.
    pub async fn network_losses(
        &self,
    ) -> Result<impl Stream<Item = Result<(), EngineError>> + Send + use<>, EngineError> {
        let since = self.engine_time().await?;
        // The engine does not tell a network's labels with its news.
        let filters = json!({
            "type": ["network"],
            "event": ["disconnect", "destroy"],
            "network": [self.network_name()],
        });
        let target = format!("/events?since={since}&filters={}", query_value(&filters.to_string()));
        let messages = self.wire().await?.send(Call::get(target)).await?.json_lines::<EventMessage>();
        Ok(messages.map_ok(|_| ()))
    }

    /// What the engine's clock shows, in its own form: an engine answers before it has begun to listen for news, so
    /// it is told from when on they are wanted.
    async fn engine_time(&self) -> Result<String, EngineError> {
        let time = self.client().await?.info().await?.system_time.unwrap_or_default();
        let time: Timestamp = time.parse().map_err(|error| EngineError::Broken(Box::new(error)))?;
        Ok(format!("{}.{:09}", time.as_second(), time.subsec_nanosecond()))
    }
}

/// `None` for news that nobody waits for.
fn read_event(message: EventMessage, owner: &OwnerId) -> Option<ContainerEvent> {
    let actor = message.actor?;
    let attributes = actor.attributes?;
    let change = match message.action?.as_str() {
        "start" => ContainerChange::Started,
        "oom" => ContainerChange::OutOfMemory,
        "die" => {
            ContainerChange::Died(attributes.get("exitCode").and_then(|code| code.parse().ok()).unwrap_or(-1))
        }
        "destroy" => ContainerChange::Destroyed,
        "health_status: healthy" => ContainerChange::Health(Health::Healthy),
        "health_status: unhealthy" => ContainerChange::Health(Health::Unhealthy),
        _ => return None,
    };
    let labels = ContainerLabels::from_engine(&attributes, owner)?;
    let name = attributes.get("name").cloned().unwrap_or_default();
    Some(ContainerEvent { id: ContainerId::new(actor.id?), name, labels, change })
}
