//! Networks that people make, which containers join beside the owner's own bridge.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{Network, NetworkCreateRequest};
use bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
};

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::{OWNER, owner_filter};
use crate::model::container_id::ContainerId;
use crate::model::container_options::ContainerOptions;

/// Marks a network that a person asked for.
const PURPOSE: &str = "slipway.network";
const USER: &str = "user";

/// A network of the engine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserNetwork {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What makes it: `bridge`, `overlay`, …
    pub driver: String,
    /// How far it reaches: `local`, `swarm`.
    pub scope: String,
    /// When it was made, as the engine writes it.
    pub created: String,
    /// Whether nothing outside can be reached from it.
    pub internal: bool,
    /// Whether it was made by `network:create` of this owner.
    pub managed: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its subnets.
    pub subnets: Vec<String>,
}

impl Engine {
    /// Makes a network on which containers reach one another. A name that is taken is a conflict.
    pub async fn create_user_network(&self, name: &str) -> Result<(), EngineError> {
        let labels = [(OWNER, self.owner().to_string()), (PURPOSE, USER.to_owned())];
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(HashMap::from(labels.map(|(key, value)| (key.to_owned(), value)))),
            ..NetworkCreateRequest::default()
        };
        self.send_network(request).await
    }

    /// The networks that `network:create` of this owner has made, by name.
    pub async fn user_networks(&self) -> Result<Vec<UserNetwork>, EngineError> {
        let labels = vec![owner_filter(self.owner()), format!("{PURPOSE}={USER}")];
        let filters = HashMap::from([("label", labels)]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let found = self.client().await?.list_networks(Some(options)).await?;
        let mut networks: Vec<UserNetwork> = found.into_iter().map(|network| self.read(network)).collect();
        networks.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(networks)
    }

    /// The network of that name, whoever made it.
    pub async fn user_network(&self, name: &str) -> Result<Option<UserNetwork>, EngineError> {
        let inspect = self.client().await?.inspect_network(name, None::<InspectNetworkOptions>).await;
        match inspect.map_err(EngineError::from) {
            // The engine finds networks by the beginning of their ids, too.
            Ok(found) if found.name.as_deref() == Some(name) => Ok(Some(self.read(Network {
                name: found.name,
                id: found.id,
                created: found.created,
                scope: found.scope,
                driver: found.driver,
                ipam: found.ipam,
                internal: found.internal,
                labels: found.labels,
                ..Network::default()
            }))),
            Ok(_) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a network; no error if there is none.
    pub async fn remove_user_network(&self, network: &UserNetwork) -> Result<(), EngineError> {
        match self.client().await?.remove_network(&network.id).await.map_err(EngineError::from) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The names of the containers on a network, running or not.
    pub async fn container_names_on(&self, network: &UserNetwork) -> Result<Vec<String>, EngineError> {
        let filters = HashMap::from([("network", vec![network.id.clone()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.client().await?.list_containers(Some(options)).await?;
        let name = |names: Vec<String>| Some(names.first()?.trim_start_matches('/').to_owned());
        Ok(found.into_iter().filter_map(|container| name(container.names?)).collect())
    }

    /// Puts a container on all the networks of its options that do not wait until it is healthy.
    pub(super) async fn join_networks(
        &self,
        container: &ContainerId,
        options: &ContainerOptions,
    ) -> Result<(), EngineError> {
        for network in &options.link_networks {
            self.attach_as(container, network, &[]).await?;
        }
        for network in &options.networks {
            self.join(container, network, &options.aliases).await?;
        }
        Ok(())
    }

    /// Puts a container on one more network under these names.
    pub async fn join(
        &self,
        container: &ContainerId,
        network: &str,
        names: &[String],
    ) -> Result<(), EngineError> {
        match self.attach_as(container, network, names).await {
            // It may also be the container that is gone.
            Err(EngineError::NotFound(message)) if message.contains("network") => {
                Err(EngineError::NotFound(format!(
                    "the network {network} does not exist (network:create {network}, or network:set APP … without it)"
                )))
            }
            result => result,
        }
    }

    fn read(&self, network: Network) -> UserNetwork {
        let labels = network.labels.unwrap_or_default();
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
        let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        UserNetwork {
            managed: is(OWNER, self.owner().as_str()) && is(PURPOSE, USER),
            id: network.id.unwrap_or_default(),
            name: network.name.unwrap_or_default(),
            driver: network.driver.unwrap_or_default(),
            scope: network.scope.unwrap_or_default(),
            created: network.created.map(|created| created.to_string()).unwrap_or_default(),
            internal: network.internal.unwrap_or(false),
            labels: labels.into_iter().collect(),
            subnets: configs.into_iter().filter_map(|config| config.subnet).collect(),
        }
    }
}
