//! Containers on more networks than the owner's own: joining, leaving, and the names that they have there.

use std::collections::HashMap;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Network, NetworkConnectRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::{InspectContainerOptions, InspectNetworkOptions, ListNetworksOptionsBuilder};

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::owner_filter;
use crate::model::container_id::ContainerId;

/// What a container is on one network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The names under which others find it, beside its own.
    pub names: Vec<String>,
    /// Its address there, while it runs.
    pub address: Option<String>,
}

impl Engine {
    /// The networks that a container is on, by name.
    pub async fn attachments(
        &self,
        container: &ContainerId,
    ) -> Result<HashMap<String, Attachment>, EngineError> {
        let inspect =
            self.client().await?.inspect_container(container.as_str(), None::<InspectContainerOptions>);
        let networks = inspect.await?.network_settings.and_then(|settings| settings.networks);
        let attachment = |endpoint: EndpointSettings| Attachment {
            names: endpoint.aliases.unwrap_or_default(),
            address: endpoint.ip_address.filter(|address| !address.is_empty()),
        };
        Ok(networks
            .unwrap_or_default()
            .into_iter()
            .map(|(name, endpoint)| (name, attachment(endpoint)))
            .collect())
    }

    /// Puts a container on a network under these names, or under these names only if it is there already.
    pub async fn attach_as(
        &self,
        container: &ContainerId,
        network: &str,
        names: &[String],
    ) -> Result<(), EngineError> {
        let present = self.attachments(container).await?.remove(network);
        if let Some(attachment) = present {
            if names.iter().all(|name| attachment.names.contains(name)) {
                return Ok(());
            }
            self.detach(container, network).await?;
        }
        self.connect_endpoint(container, network, names, None).await
    }

    /// Takes names from a container and leaves it on the network, at its address: nobody finds it there any more,
    /// and connections that exist survive. The engine knows no such thing, so the container is taken off and put
    /// back, which costs what is under way a retransmission. Says whether there was such a name.
    pub async fn withdraw_names(&self, container: &ContainerId, suffix: &str) -> Result<bool, EngineError> {
        let mut found = false;
        for (network, attachment) in self.attachments(container).await? {
            if attachment.names.iter().any(|name| name.ends_with(suffix)) {
                found = true;
                self.detach(container, &network).await?;
                if let Some(address) = attachment.address {
                    self.connect_endpoint(container, &network, &[], Some(address)).await?;
                }
            }
        }
        Ok(found)
    }

    /// Takes a container off a network; no error if it is not on it.
    pub async fn detach(&self, container: &ContainerId, network: &str) -> Result<(), EngineError> {
        let request = NetworkDisconnectRequest { container: container.to_string(), force: Some(true) };
        match self.client().await?.disconnect_network(network, request).await.map_err(EngineError::from) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The owner's networks whose names begin so.
    pub async fn networks_named(&self, prefix: &str) -> Result<Vec<String>, EngineError> {
        let filters = HashMap::from([("label", vec![owner_filter(self.owner())])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let networks = self.client().await?.list_networks(Some(options)).await?;
        let names = networks.into_iter().filter_map(|network: Network| network.name);
        Ok(names.filter(|name| name.starts_with(prefix)).collect())
    }

    /// The running containers on a network.
    pub async fn running_on(&self, network: &str) -> Result<Vec<ContainerId>, EngineError> {
        let found = self.client().await?.inspect_network(network, None::<InspectNetworkOptions>).await?;
        Ok(found.containers.unwrap_or_default().into_keys().map(ContainerId::new).collect())
    }

    /// Removes a network to which nobody links any more; no error if there is none.
    pub async fn remove_link_network(&self, network: &str) -> Result<(), EngineError> {
        self.remove_network_named(network).await
    }

    async fn connect_endpoint(
        &self,
        container: &ContainerId,
        network: &str,
        names: &[String],
        address: Option<String>,
    ) -> Result<(), EngineError> {
        let ipam = address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address),
            ..EndpointIpamConfig::default()
        });
        let endpoint = EndpointSettings {
            aliases: (!names.is_empty()).then(|| names.to_vec()),
            ipam_config: ipam,
            ..EndpointSettings::default()
        };
        let request =
            NetworkConnectRequest { container: container.to_string(), endpoint_config: Some(endpoint) };
        Ok(self.client().await?.connect_network(network, request).await?)
    }
}
