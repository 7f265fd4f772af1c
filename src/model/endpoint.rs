//! Addresses on other hosts, or on this one: a host with a port, and a proxy.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

/// A host, by name or address, and a port.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Endpoint {
    /// Its name or address; one of IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// A text that is no host with a port.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is no host with a port: write for example registry.example.com:4873")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || EndpointError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_good) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What stands between this host and the others. Its URL may hold a password, so it is a secret.
#[derive(Clone, Debug)]
pub struct Proxy {
    url: SecretString,
    /// Where it listens.
    pub endpoint: Endpoint,
}

/// A text that is no proxy. It is not repeated: there may be a password in it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write the proxy's URL, for example http://proxy.example.com:3128, or none")]
pub struct ProxyError;

impl Proxy {
    /// The URL itself. Call it only where it leaves for a container.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // As curl has it: a host alone is an HTTP proxy.
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(|_| ProxyError)?;
        let usual = match url.scheme() {
            "http" => 80,
            "https" => 443,
            "socks5" | "socks5h" => 1080,
            _ => return Err(ProxyError),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyError)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let endpoint = Endpoint { host, port: url.port().unwrap_or(usual) };
        Ok(Self { url: SecretString::from(whole), endpoint })
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_ports() {
        for text in ["a.example:1", "10.0.0.1:4873", "[::1]:80"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in ["a", "a:", ":1", "a:0", "a:70000", "a b:1", "$(x):1"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_proxy_is_read_as_curl_reads_it_and_its_password_is_shown_nowhere() {
        let proxy: Proxy = "http://me:hunter2@proxy.example:3128/".parse().unwrap();
        assert_eq!(proxy.endpoint.to_string(), "proxy.example:3128");
        assert!(!format!("{proxy:?}").contains("hunter2"));
        assert_eq!("proxy.example:8080".parse::<Proxy>().unwrap().expose(), "http://proxy.example:8080");
        assert_eq!("https://p".parse::<Proxy>().unwrap().endpoint.port, 443);
        for text in ["", "ftp://a", "http://", "http://a:hunter2@:1", "http://u:hunter2@a b"] {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
