//! Whose word is taken on who asks: the proxies in front of the router, and how they say it. Plain data, replaced as
//! a whole while the router runs.
//!
//! Nobody is trusted unless a person says so: whatever such headers hold is otherwise the client's own invention.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;

/// Whose word is taken, and in which form. It holds for connections that begin after it was set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The proxies.
    pub proxies: TrustedProxies,
    /// Whether their connections begin with a PROXY header (version 1 or 2). Then each of them has to; those of others
    /// never do.
    pub proxy_protocol: bool,
    /// The headers that they speak by.
    pub header: ForwardedHeader,
}

/// The headers by which proxies say who asks. Only one kind is believed: a proxy that speaks one of them lets a
/// client's own pass in the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239). Apps get it, too.
    Forwarded,
}

/// Networks of proxies: addresses, networks, and `private` and `cloudflare` for lists of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct TrustedProxies(Vec<IpNet>);

/// A text that is no network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is no address, no network such as 192.0.2.0/24, and neither `private` nor `cloudflare`")]
pub struct TrustedProxiesError(String);

/// Networks that are never routed in the internet (RFC 1918, RFC 4193), and the host itself.
const PRIVATE: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"];

/// From <https://www.cloudflare.com/ips/>; it has changed once in ten years.
const CLOUDFLARE: [&str; 22] = [
    "173.245.48.0/20",
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "141.101.64.0/18",
    "108.162.192.0/18",
    "190.93.240.0/20",
    "188.114.96.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "162.158.0.0/15",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "172.64.0.0/13",
    "131.0.72.0/22",
    "2400:cb00::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2405:b500::/32",
    "2405:8100::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
];

impl TrustedProxies {
    /// Whether an address is one of theirs.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, word: &str) -> Result<(), TrustedProxiesError> {
        let list: &[&str] = match word {
            "private" => &PRIVATE,
            "cloudflare" => &CLOUDFLARE,
            _ => &[word],
        };
        for text in list {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            self.0.push(network.map_err(|_| TrustedProxiesError(word.to_owned()))?);
        }
        Ok(())
    }
}

/// Words between commas or spaces; nothing at all is nobody.
impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = text.split(|mark: char| mark == ',' || mark.is_whitespace());
        let mut proxies = Self::default();
        words.filter(|word| !word.is_empty()).try_for_each(|word| proxies.add(word))?;
        Ok(proxies)
    }
}

impl TryFrom<Vec<String>> for TrustedProxies {
    type Error = TrustedProxiesError;

    fn try_from(words: Vec<String>) -> Result<Self, Self::Error> {
        let mut proxies = Self::default();
        words.iter().try_for_each(|word| proxies.add(word.trim()))?;
        Ok(proxies)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(list: &str, address: &str) -> bool {
        list.parse::<TrustedProxies>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn addresses_networks_and_lists_are_taken() {
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("192.0.2.0/24, 2001:db8::/32", "2001:db8::7"));
        assert!(
            contains("private", "10.1.2.3") && contains("private", "::1") && contains("private", "fd00::1")
        );
        assert!(contains("cloudflare private", "104.16.0.1") && contains("cloudflare", "2606:4700::1"));
        assert!(!contains("cloudflare", "8.8.8.8") && !contains("", "127.0.0.1"));
        // An IPv4 client of a socket for both families.
        assert!(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        for text in ["10.0.0.0/33", "example.com", "cloud-flare", "10.0.0.0/8;::1"] {
            let error = text.parse::<TrustedProxies>().unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    }
}
