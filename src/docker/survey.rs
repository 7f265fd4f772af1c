//! All of the owner's containers at a glance, by one call to the engine, however many there are.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerLabels;
use crate::model::container_id::ContainerId;
use crate::model::release::ImageId;

/// What the engine's list says of a container. Exit codes and the like take a question of their own: see
/// [`Engine::inspect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the engine's leading slash.
    pub name: String,
    /// What it is for.
    pub labels: ContainerLabels,
    /// Its image.
    pub image: ImageId,
    /// What it is doing.
    pub activity: Activity,
    /// Where it answers on the owner's network, while it runs.
    pub address: Option<Ipv4Addr>,
}

/// What a container is doing, as far as the list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Its process runs, or is frozen.
    Running,
    /// Its process ended, and the engine is about to start it again.
    Restarting,
    /// It does not run, and will not by itself.
    Idle,
    /// It is being removed, or could not be.
    Removing,
}

impl Engine {
    /// Every container of the owner's, running or not, in the order of their names.
    pub async fn survey(&self) -> Result<Vec<Surveyed>, EngineError> {
        let network = self.network_name();
        let read = |container: ContainerSummary| {
            let labels = ContainerLabels::from_engine(&container.labels.unwrap_or_default(), self.owner())?;
            let networks: HashMap<_, _> = container.network_settings?.networks.unwrap_or_default();
            let endpoint = networks.get(&network);
            let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
            Some(Surveyed {
                id: ContainerId::new(container.id?),
                name: name.trim_start_matches('/').to_owned(),
                labels,
                image: ImageId(container.image_id.unwrap_or_default()),
                activity: activity(container.state?),
                address: endpoint.and_then(|endpoint| endpoint.ip_address.as_ref()?.parse().ok()),
            })
        };
        let mut all: Vec<Surveyed> = self.summaries().await?.into_iter().filter_map(read).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }
}

fn activity(state: ContainerSummaryStateEnum) -> Activity {
    match state {
        ContainerSummaryStateEnum::RUNNING
        | ContainerSummaryStateEnum::PAUSED
        | ContainerSummaryStateEnum::STOPPING => Activity::Running,
        ContainerSummaryStateEnum::RESTARTING => Activity::Restarting,
        ContainerSummaryStateEnum::REMOVING | ContainerSummaryStateEnum::DEAD => Activity::Removing,
        ContainerSummaryStateEnum::CREATED
        | ContainerSummaryStateEnum::EXITED
        | ContainerSummaryStateEnum::EMPTY => Activity::Idle,
    }
}
