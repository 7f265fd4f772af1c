//! How a port of the host reaches a port of an app's containers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The protocol spoken on the host's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
    /// In clear text, to an app that speaks HTTP/2 in clear text, as gRPC servers do.
    Grpc,
    /// Over TLS, to such an app.
    Grpcs,
}

impl Scheme {
    /// Whether the host's side is encrypted.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }

    /// Whether the app speaks HTTP/2 in clear text.
    pub fn is_h2c(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    /// The same on the other side of TLS.
    #[must_use]
    pub fn encrypted(self) -> Self {
        if self.is_h2c() { Self::Grpcs } else { Self::Https }
    }
}

impl FromStr for Scheme {
    type Err = PortMappingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            // Whatever it says over HTTP/2: gRPC is the usual reason.
            "grpc" | "h2c" => Ok(Self::Grpc),
            "grpcs" => Ok(Self::Grpcs),
            _ => Err(PortMappingError(text.to_owned())),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        })
    }
}

/// `scheme:host-port:container-port`, as `ports:add` takes it.
///
/// Host port 80 stands for the router's HTTP listener and 443 for its HTTPS listener, wherever these listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortMapping {
    /// The protocol on the host's side.
    pub scheme: Scheme,
    /// The port of the host.
    #[serde(rename = "host-port")]
    pub host_port: u16,
    /// The port inside the container.
    #[serde(rename = "container-port")]
    pub container_port: u16,
}

impl PortMapping {
    /// Whether the host's side is one of the two listeners that the router always has.
    pub fn is_standard(self) -> bool {
        matches!((self.scheme.is_encrypted(), self.host_port), (false, 80) | (true, 443))
    }
}

/// A text that is not a port mapping.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "Invalid port map {0}: write scheme:host-port:container-port, for example http:80:5000 (schemes: http, https, grpc, grpcs)"
)]
pub struct PortMappingError(String);

impl FromStr for PortMapping {
    type Err = PortMappingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PortMappingError(text.to_owned());
        let mut parts = text.split(':');
        let scheme = parts.next().and_then(|scheme| scheme.parse().ok()).ok_or_else(wrong)?;
        let mut port = || parts.next()?.parse::<u16>().ok().filter(|port| *port > 0);
        let host_port = port().ok_or_else(wrong)?;
        let container_port = port().ok_or_else(wrong)?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { scheme, host_port, container_port })
    }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.scheme, self.host_port, self.container_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_reads_as_it_prints() {
        assert_eq!("http:80:5000".parse::<PortMapping>().unwrap().to_string(), "http:80:5000");
        assert_eq!("grpc:80:50051".parse::<PortMapping>().unwrap().to_string(), "grpc:80:50051");
        assert_eq!("h2c:80:50051".parse::<PortMapping>().unwrap().to_string(), "grpc:80:50051");
        for text in ["", "80", "http:80", "http:0:1", "http:80:65536", "udp:1:2", "http:1:2:3", "http:a:1"] {
            assert!(text.parse::<PortMapping>().is_err(), "{text}");
        }
    }
}
