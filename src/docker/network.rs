//! The one bridge network that all app containers of an owner sit on.

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder};

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::{OWNER, owner_filter};
use crate::docker::wire::Call;

/// How often another subnet is tried when somebody takes the one that was found free.
const ATTEMPTS: u32 = 5;

/// How many free subnets are passed over at most when somebody takes the one that was found free.
const SPREAD: usize = 32;

/// An IPv4 network in CIDR notation (RFC 4632), from /8 to /28.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    first: Ipv4Addr,
    prefix: u8,
}

/// A text that is not a usable subnet.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not an IPv4 subnet between /8 and /28")]
pub struct SubnetError(String);

/// What is known about the owner's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFacts {
    /// Its name in the engine.
    pub name: String,
    /// All its addresses.
    pub subnet: Subnet,
    /// The host's own address on it.
    pub gateway: Ipv4Addr,
}

/// What containers on a network may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NetworkKind {
    /// The outside, and not one another.
    Apart,
    /// One another, and nothing else.
    Link,
}

impl Subnet {
    /// Whether an address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let first = u32::from(self.first);
        (first..=first + (self.size() - 1)).contains(&u32::from(address))
    }

    fn size(self) -> u32 {
        1 << (32 - u32::from(self.prefix))
    }

    /// The upper half, from which the engine picks for containers that do not ask for an address.
    fn upper_half(self) -> Self {
        let first = u32::from(self.first) + self.size() / 2;
        Self { first: Ipv4Addr::from(first), prefix: self.prefix + 1 }
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || SubnetError(text.to_owned());
        let (first, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let first: Ipv4Addr = first.parse().map_err(|_| wrong())?;
        let prefix = prefix.parse().ok().filter(|prefix| (8..=28).contains(prefix)).ok_or_else(wrong)?;
        let subnet = Self { first, prefix };
        if u32::from(first).is_multiple_of(subnet.size()) { Ok(subnet) } else { Err(wrong()) }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl NetworkFacts {
    /// The addresses that a caller may give to containers: the lower half, without the network's and the gateway's.
    ///
    /// The upper half belongs to the engine. Were the halves one, the engine could give the address of a stopped
    /// app container to a one-off one, and the app could not be started again.
    pub fn static_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let first = u32::from(self.subnet.first);
        let gateway = self.gateway;
        (first + 1..first + self.subnet.size() / 2)
            .map(Ipv4Addr::from)
            .filter(move |address| *address != gateway)
    }
}

impl Engine {
    /// The name of the owner's network.
    pub fn network_name(&self) -> String {
        format!("slipway-{}", self.owner())
    }

    /// Makes the owner's network if it is not there, and says what it is.
    ///
    /// Inter-container traffic is off: the host's router reaches every container, no container another one.
    pub async fn ensure_network(&self) -> Result<NetworkFacts, EngineError> {
        let name = self.network_name();
        let turn = self.inner.network_turn.acquire().await;
        let _turn = turn.map_err(|closed| EngineError::Broken(Box::new(closed)))?;
        self.remove_stray_networks(&name).await?;
        if let Some(facts) = self.network_facts(&name).await? {
            return Ok(facts);
        }
        self.make_network(&name, NetworkKind::Apart).await?;
        let gone = || EngineError::NotFound(format!("the network {name} vanished while it was made"));
        self.network_facts(&name).await?.ok_or_else(gone)
    }

    /// Makes the network to which apps link, if it is not there: what is on it reaches one another, and nothing else.
    pub async fn ensure_link_network(&self, name: &str) -> Result<(), EngineError> {
        let turn = self.inner.network_turn.acquire().await;
        let _turn = turn.map_err(|closed| EngineError::Broken(Box::new(closed)))?;
        if self.user_network(name).await?.is_none() {
            self.make_network(name, NetworkKind::Link).await?;
        }
        Ok(())
    }

    /// Makes a network on a subnet of its own. The turn has to be held.
    async fn make_network(&self, name: &str, kind: NetworkKind) -> Result<(), EngineError> {
        let mut attempt = 1;
        loop {
            let made = match self.choose_subnet(kind, attempt).await {
                Ok(config) => self.create_network(name, Some(config), kind).await,
                Err(error) => Err(error),
            };
            match made {
                Ok(()) => return Ok(()),
                // Somebody else made it just now: what counts is that it is there.
                Err(EngineError::Conflict(_)) => return Ok(()),
                Err(EngineError::Refused { message, .. }) if is_race(&message) && attempt < ATTEMPTS => {
                    tracing::debug!(message, "somebody else took the subnet");
                }
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Removes what a server left that was killed while it made its network: networks for trying, and doubles, whose
    /// name the engine would call ambiguous from then on. One that is in use cannot be removed, and is the one to keep.
    async fn remove_stray_networks(&self, name: &str) -> Result<(), EngineError> {
        let filters = HashMap::from([("label", vec![owner_filter(self.owner())])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let is_main = |network: &Network| network.name.as_deref() == Some(name);
        let probe = format!("{name}-probe");
        let is_probe = |network: &Network| network.name.as_ref().is_some_and(|own| own.starts_with(&probe));
        let mut networks = self.client().await?.list_networks(Some(options)).await?;
        networks.retain(|network| is_main(network) || is_probe(network));
        // The oldest comes last.
        networks.sort_by_key(|network| std::cmp::Reverse(network.created));
        let mut doubles = networks.iter().filter(|network| is_main(network)).count().saturating_sub(1);
        for network in &networks {
            if is_main(network) && doubles == 0 {
                continue;
            }
            match self.remove_network_named(network.id.as_deref().unwrap_or_default()).await {
                Ok(()) if is_main(network) => doubles -= 1,
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "a stray network was not removed"),
            }
        }
        Ok(())
    }

    /// Removes the owner's network; no error if there is none.
    pub async fn remove_network(&self) -> Result<(), EngineError> {
        self.remove_network_named(&self.network_name()).await
    }

    /// Removes a network; no error if there is none.
    pub(super) async fn remove_network_named(&self, name: &str) -> Result<(), EngineError> {
        match self.client().await?.remove_network(name).await.map_err(EngineError::from) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Links' networks are many and small; without a range for them they come from where the others do.
    async fn choose_subnet(&self, kind: NetworkKind, attempt: u32) -> Result<IpamConfig, EngineError> {
        // One that somebody else is about to take is in no list yet, and still is when it is asked for again.
        let skipped = if attempt == 1 { 0 } else { rand::random_range(0..SPREAD) };
        let small = if kind == NetworkKind::Link { self.free_small_subnet(skipped).await? } else { None };
        Ok(match small {
            Some(subnet) => IpamConfig { subnet: Some(subnet.to_string()), ..IpamConfig::default() },
            None => {
                let subnet = self.find_free_subnet().await?;
                IpamConfig {
                    subnet: Some(subnet.to_string()),
                    ip_range: Some(subnet.upper_half().to_string()),
                    gateway: Some(Ipv4Addr::from(u32::from(subnet.first) + 1).to_string()),
                    ..IpamConfig::default()
                }
            }
        })
    }

    /// Static addresses need a subnet that the *user* configured. Only the engine knows which one is free on this
    /// host, so it is asked to choose one for a network that is thrown away again.
    async fn find_free_subnet(&self) -> Result<Subnet, EngineError> {
        let probe = format!("{}-probe-{:08x}", self.network_name(), rand::random::<u32>());
        self.create_network(&probe, None, NetworkKind::Apart).await?;
        let facts = self.network_facts(&probe).await;
        self.remove_network_named(&probe).await?;
        let facts = facts?.ok_or_else(|| EngineError::NotFound(format!("the network {probe} vanished")))?;
        Ok(facts.subnet)
    }

    async fn create_network(
        &self,
        name: &str,
        config: Option<IpamConfig>,
        kind: NetworkKind,
    ) -> Result<(), EngineError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            ipam: config.map(|config| Ipam { config: Some(vec![config]), ..Ipam::default() }),
            // Without a gateway of its own a link's network can never become a container's way to the outside.
            internal: Some(kind == NetworkKind::Link),
            options: Some(HashMap::from([(
                "com.docker.network.bridge.enable_icc".to_owned(),
                (kind == NetworkKind::Link).to_string(),
            )])),
            labels: Some(HashMap::from([(OWNER.to_owned(), self.owner().to_string())])),
            ..NetworkCreateRequest::default()
        };
        self.send_network(request).await
    }

    /// Has the engine make a network. A name that is taken is a conflict.
    pub(super) async fn send_network(&self, request: NetworkCreateRequest) -> Result<(), EngineError> {
        let mut request =
            serde_json::to_value(request).map_err(|error| EngineError::Broken(Box::new(error)))?;
        if let Some(fields) = request.as_object_mut() {
            // Engines before API 1.44 make a second network of the same name unless told not to; bollard has
            // dropped the field.
            fields.insert("CheckDuplicate".to_owned(), true.into());
        }
        self.wire().await?.send(Call::post("/networks/create".to_owned(), request.to_string())).await?;
        Ok(())
    }

    async fn network_facts(&self, name: &str) -> Result<Option<NetworkFacts>, EngineError> {
        match self
            .client()
            .await?
            .inspect_network(name, None::<InspectNetworkOptions>)
            .await
            .map_err(EngineError::from)
        {
            Ok(network) => read_facts(name, network).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the engine says that another network was made on this subnet at the same moment.
fn is_race(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("overlap") || message.contains("address already in use")
}

fn read_facts(name: &str, network: NetworkInspect) -> Result<NetworkFacts, EngineError> {
    let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let usable = configs.into_iter().find_map(|config| {
        let subnet: Subnet = config.subnet?.parse().ok()?;
        // The engine names the gateway with or without a prefix, depending on its version.
        let gateway = config.gateway?.split('/').next()?.parse().ok()?;
        Some(NetworkFacts { name: name.to_owned(), subnet, gateway })
    });
    usable.ok_or_else(|| EngineError::Conflict(format!("the network {name} has no usable IPv4 subnet")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_read_and_halved() {
        let subnet: Subnet = "172.18.0.0/16".parse().unwrap();
        assert_eq!(subnet.upper_half().to_string(), "172.18.128.0/17");
        assert!(subnet.contains("172.18.255.255".parse().unwrap()));
        assert!(!subnet.contains("172.19.0.0".parse().unwrap()));
        for text in ["172.18.0.0", "172.18.0.1/16", "172.18.0.0/33", "10.0.0.0/29", "fe80::/64"] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }

    #[test]
    fn static_addresses_leave_the_gateway_and_the_engines_half() {
        let facts = NetworkFacts {
            name: "n".to_owned(),
            subnet: "10.1.2.0/28".parse().unwrap(),
            gateway: "10.1.2.1".parse().unwrap(),
        };
        let addresses: Vec<_> = facts.static_addresses().map(|address| address.octets()[3]).collect();
        assert_eq!(addresses, [2, 3, 4, 5, 6, 7]);
    }
}
