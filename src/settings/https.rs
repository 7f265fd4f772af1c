//! Where HTTPS is served.

use std::net::SocketAddr;
use std::str::FromStr;

use serde::Deserialize;

/// Where HTTPS is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HttpsListen {
    /// On port 443 beside HTTP on port 80, if it can be had. A server whose HTTP is elsewhere is a trial, or behind
    /// another one that has these ports.
    #[default]
    BesideHttp,
    /// There, or the server does not start.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// A text that says nowhere where HTTPS is served.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not where HTTPS can be served: write an address and a port, for example 0.0.0.0:443, or off")]
pub struct HttpsListenError(String);

impl HttpsListen {
    /// The address that is to be listened on, given that of HTTP.
    pub fn address(self, http: SocketAddr) -> Option<SocketAddr> {
        match self {
            Self::BesideHttp => (http.port() == 80).then(|| SocketAddr::new(http.ip(), 443)),
            Self::At(address) => Some(address),
            Self::Off => None,
        }
    }
}

impl FromStr for HttpsListen {
    type Err = HttpsListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" | "none" => Ok(Self::Off),
            address => address.parse().map(Self::At).map_err(|_| HttpsListenError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for HttpsListen {
    type Error = HttpsListenError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_beside_http_only_where_http_has_its_own_port() {
        let address = |text: Option<&str>, http: &str| {
            let listen = text.map_or(HttpsListen::default(), |text| text.parse().unwrap());
            listen.address(http.parse().unwrap()).map(|address| address.to_string())
        };
        assert_eq!(address(None, "192.0.2.1:80").as_deref(), Some("192.0.2.1:443"));
        assert_eq!(address(None, "[::]:80").as_deref(), Some("[::]:443"));
        assert_eq!(address(None, "127.0.0.1:8080"), None);
        assert_eq!(address(Some("127.0.0.1:0"), "127.0.0.1:8080").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(address(Some("off"), "0.0.0.0:80"), None);
        assert!("everywhere".parse::<HttpsListen>().is_err());
    }
}
