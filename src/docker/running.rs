//! The quick list: which containers run, and where, by one call to the engine.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptionsBuilder;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::owner_filter;
use crate::model::container_id::ContainerId;

/// What the engine's host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Processors.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
}

impl Engine {
    /// What there is for containers to use.
    pub async fn host(&self) -> Result<HostFacts, EngineError> {
        let facts = self.client().await?.info().await?;
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        Ok(HostFacts { cpus: number(facts.ncpu), memory: number(facts.mem_total) })
    }

    /// The containers that run, with the address at which each answers now.
    pub async fn running(&self) -> Result<HashMap<ContainerId, Ipv4Addr>, EngineError> {
        let network = self.network_name();
        let running = self.summaries().await?.into_iter().filter_map(|container| {
            if container.state != Some(ContainerSummaryStateEnum::RUNNING) {
                return None;
            }
            let endpoint = container.network_settings?.networks?.remove(&network)?;
            Some((ContainerId::new(container.id?), endpoint.ip_address?.parse().ok()?))
        });
        Ok(running.collect())
    }

    /// The addresses that some container has, or will have when it is started.
    pub async fn addresses_in_use(&self) -> Result<HashSet<Ipv4Addr>, EngineError> {
        let network = self.network_name();
        let addresses = self.summaries().await?.into_iter().filter_map(|container| {
            let endpoint = container.network_settings?.networks?.remove(&network)?;
            let fixed = endpoint.ipam_config.and_then(|config| config.ipv4_address);
            fixed.or(endpoint.ip_address)?.parse().ok()
        });
        Ok(addresses.collect())
    }

    /// Where the engine keeps images and containers, on its own file system.
    pub async fn data_directory(&self) -> Result<&Path, EngineError> {
        let ask = async || {
            let facts = self.client().await?.info().await?;
            Ok(PathBuf::from(facts.docker_root_dir.unwrap_or_default()))
        };
        let directory: Result<&PathBuf, EngineError> = self.inner.data_directory.get_or_try_init(ask).await;
        directory.map(PathBuf::as_path)
    }

    pub(super) async fn summaries(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = HashMap::from([("label", vec![owner_filter(self.owner())])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        Ok(self.client().await?.list_containers(Some(options)).await?)
    }
}
