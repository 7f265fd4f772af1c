//! Services: their names, what they are called on the network, whether they are to run, and what can be set of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::plugin::PluginName;

/// The longest name: with what stands before it, it has to fit into a host name (RFC 1035, section 2.3.4).
const MAX_LENGTH: usize = 40;

/// A service's name, unique among those of its engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(String);

/// A text that is no name of a service, in Dokku's words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Please specify a valid name for the service. Valid characters are: [A-Za-z0-9_-]+")]
pub struct ServiceNameError;

/// The number of a service's row. It is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub i64);

/// Whether a service is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedState {
    /// It is.
    Running,
    /// It has no container.
    Stopped,
    /// It has a container that does not run.
    Paused,
}

/// Something that can be set of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceProperty {
    /// Arguments that come after those of its engine.
    ConfigOptions,
    /// The most memory that it may use.
    Memory,
    /// The most processor time, in cores.
    Cpu,
    /// The size of `/dev/shm`.
    ShmSize,
    /// A network that it joins when it is made.
    InitialNetwork,
    /// Networks that it joins before it is started.
    PostCreateNetwork,
    /// Networks that it joins once it is ready.
    PostStartNetwork,
}

/// What is set of a service.
pub type ServiceProperties = BTreeMap<ServiceProperty, String>;

impl ServiceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an identifier, which is what its database is called.
    pub fn database(&self) -> String {
        self.0.replace(['-', '.'], "_")
    }

    /// What linked apps find it by: `slipway-mysql-blogdb`.
    pub fn host(&self, engine: &PluginName) -> String {
        format!("slipway-{engine}-{}", self.0.replace(['.', '_'], "-")).to_ascii_lowercase()
    }
}

impl FromStr for ServiceName {
    type Err = ServiceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        // One that begins otherwise would be a flag, or no host name.
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if begins && text.len() <= MAX_LENGTH && text.bytes().all(is_known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ServiceNameError)
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl WantedState {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
        }
    }
}

/// A text that is no state.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no state of a service")]
pub struct WantedStateError(String);

impl FromStr for WantedState {
    type Err = WantedStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Running, Self::Stopped, Self::Paused].into_iter().find(|one| one.as_str() == text);
        known.ok_or_else(|| WantedStateError(text.to_owned()))
    }
}

impl ServiceProperty {
    /// All of them, as help lists them.
    pub const ALL: [Self; 7] = [
        Self::ConfigOptions,
        Self::Cpu,
        Self::InitialNetwork,
        Self::Memory,
        Self::PostCreateNetwork,
        Self::PostStartNetwork,
        Self::ShmSize,
    ];

    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigOptions => "config-options",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::ShmSize => "shm-size",
            Self::InitialNetwork => "initial-network",
            Self::PostCreateNetwork => "post-create-network",
            Self::PostStartNetwork => "post-start-network",
        }
    }
}

impl FromStr for ServiceProperty {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
            let valid: Vec<&str> = Self::ALL.iter().map(|property| property.as_str()).collect();
            format!("Invalid property specified, valid properties include: {}", valid.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_dokku_and_fit_into_paths_and_host_names() {
        for name in ["blogdb", "blog_db", "Blog-2", "1"] {
            assert!(name.parse::<ServiceName>().is_ok(), "{name}");
        }
        for name in ["", "-n", "_a", "a.b", "a/b", "..", "a b", &"a".repeat(41)] {
            assert!(name.parse::<ServiceName>().is_err(), "{name}");
        }
        let name: ServiceName = "Blog_db-2".parse().unwrap();
        assert_eq!(name.host(&"mysql".parse().unwrap()), "slipway-mysql-blog-db-2");
        assert_eq!(name.database(), "Blog_db_2");
    }

    #[test]
    fn states_and_properties_are_read_as_they_are_written() {
        for state in ["running", "stopped", "paused"] {
            assert_eq!(state.parse::<WantedState>().unwrap().as_str(), state);
        }
        for property in ServiceProperty::ALL {
            assert_eq!(property.as_str().parse::<ServiceProperty>().unwrap(), property);
            assert_eq!(serde_json::to_value(property).unwrap(), property.as_str());
        }
        assert!("colour".parse::<ServiceProperty>().unwrap_err().contains("shm-size"));
    }
}
