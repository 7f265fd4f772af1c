//! Who a request is from, and how it came: what the app is told, what limits count by, and what the log says.
//!
//! On a connection of a client's own this is the socket's other end. A trusted proxy (`trust`) says it for its
//! clients; of anybody else such words are dropped.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;

use crate::client::Client;
use crate::forwarded::{self, Element, Walked};
use crate::host::RequestHost;
use crate::trust::{ForwardedHeader, Trust};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client. An IPv4 address is one, however the socket wrote it.
    pub(crate) address: IpAddr,
    /// `http` or `https`, on the client's side.
    pub(crate) scheme: &'static str,
    /// The port that the client came in on.
    pub(crate) port: u16,
    /// Whether a trusted proxy sent it, and by which headers it speaks.
    pub(crate) told: Option<ForwardedHeader>,
    /// How many of the addresses in them are believed, from the right.
    pub(crate) believed: usize,
}

impl Origin {
    /// A client's that nobody stands in front of.
    pub(crate) fn direct(address: IpAddr, scheme: &'static str, port: u16) -> Self {
        Self { address: address.to_canonical(), scheme, port, told: None, believed: 0 }
    }

    /// Reads it from a connection and a request.
    pub(crate) fn of(client: &Client, headers: &HeaderMap) -> Self {
        let direct = Self::direct(client.peer, client.scheme, client.port);
        if client.is_trusted { direct.as_told(&client.trust, headers) } else { direct }
    }

    /// Whether the client's side is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// The same with what a trusted proxy says.
    pub(crate) fn as_told(self, trust: &Trust, headers: &HeaderMap) -> Self {
        let is_trusted = |address| trust.proxies.contains(address);
        let (walked, scheme, port) = match trust.header {
            ForwardedHeader::XForwardedFor => {
                let walked = forwarded::walk(self.address, x_forwarded_for(headers), is_trusted);
                let said = |name| said_of_client(headers, name, walked.entries);
                let port = said(X_FORWARDED_PORT).and_then(|port| port.parse().ok()).filter(|port| *port > 0);
                (walked, said(X_FORWARDED_PROTO).and_then(scheme_named), port)
            }
            ForwardedHeader::Forwarded => {
                let walked = walk_forwarded(self.address, headers, is_trusted);
                let proto = element(headers, walked.entries).and_then(|element| element.proto);
                (walked, proto.as_deref().and_then(scheme_named), None)
            }
        };
        let told =
            Self { address: walked.address, told: Some(trust.header), believed: walked.entries, ..self };
        // A proxy that names the scheme alone means its usual port, or the one that was asked for by name.
        let named = scheme.map(|scheme| {
            told.host(headers).and_then(|host| port_of(&host)).unwrap_or(if scheme == "https" {
                443
            } else {
                80
            })
        });
        Self { scheme: scheme.unwrap_or(self.scheme), port: port.or(named).unwrap_or(self.port), ..told }
    }

    /// The host that the client asked for where a trusted proxy says it, which may have asked for another.
    pub(crate) fn host(&self, headers: &HeaderMap) -> Option<String> {
        let host = match self.told? {
            ForwardedHeader::XForwardedFor => {
                said_of_client(headers, X_FORWARDED_HOST, self.believed)?.to_owned()
            }
            ForwardedHeader::Forwarded => element(headers, self.believed)?.host?.into_owned(),
        };
        RequestHost::parse(host.as_bytes()).is_some().then_some(host)
    }

    /// The addresses in a trusted proxy's headers that are believed: the client's, then those of proxies.
    pub(crate) fn chain(&self, headers: &HeaderMap) -> Vec<IpAddr> {
        let mut chain: Vec<IpAddr> = match self.told {
            None => Vec::new(),
            Some(ForwardedHeader::XForwardedFor) => {
                x_forwarded_for(headers).map_while(|entry| entry).take(self.believed).collect()
            }
            Some(ForwardedHeader::Forwarded) => {
                let addresses = elements_from_right(headers).map_while(|element| node(&element?));
                addresses.take(self.believed).collect()
            }
        };
        chain.reverse();
        chain
    }
}

/// The host that the client asked for, with its port: a trusted proxy's word, or the request's own.
pub(crate) fn asked_host(origin: Origin, request: &Parts) -> Option<String> {
    let own = || {
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        host.or_else(|| request.uri.authority().map(|authority| authority.as_str())).map(str::to_owned)
    };
    origin.host(&request.headers).or_else(own)
}

fn port_of(host: &str) -> Option<u16> {
    RequestHost::parse(host.as_bytes())?.port
}

/// The scheme that a proxy names; some call WebSockets by a name of their own.
fn scheme_named(scheme: &str) -> Option<&'static str> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("https") || is("wss") {
        Some("https")
    } else if is("http") || is("ws") {
        Some("http")
    } else {
        None
    }
}

/// The members of a list that may stand on several lines. A line that is not text is one that says nothing.
fn members(headers: &HeaderMap, name: HeaderName) -> impl DoubleEndedIterator<Item = &str> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.to_str().unwrap_or_default().split(',')).map(str::trim)
}

fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    members(headers, X_FORWARDED_FOR).rev().map(forwarded::node_address)
}

/// What is said beside the believed address of the client in another header.
///
/// If each proxy appended to both headers, it stands at the same place. If not, the last proxy's word is the one
/// that can be believed: what stands further left may be the client's.
fn said_of_client(headers: &HeaderMap, name: HeaderName, believed: usize) -> Option<&str> {
    let mut said = members(headers, name.clone()).rev();
    let count = members(headers, name).count();
    let place = if count > 1 && count == members(headers, X_FORWARDED_FOR).count() {
        believed.saturating_sub(1)
    } else {
        0
    };
    said.nth(place).filter(|said| !said.is_empty())
}

/// The elements of `Forwarded` from the right. A line that breaks the grammar is one element that says nothing.
fn elements_from_right(headers: &HeaderMap) -> impl Iterator<Item = Option<Element<'_>>> {
    headers.get_all(header::FORWARDED).iter().rev().flat_map(|line| {
        let elements = line.to_str().ok().and_then(forwarded::elements);
        elements.map_or_else(|| vec![None], |elements| elements.into_iter().rev().map(Some).collect())
    })
}

fn node(element: &Element<'_>) -> Option<IpAddr> {
    forwarded::node_address(element.node.as_deref()?)
}

fn walk_forwarded(peer: IpAddr, headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Walked {
    forwarded::walk(peer, elements_from_right(headers).map(|element| node(&element?)), is_trusted)
}

/// The element of the client, or else the last one, which a trusted proxy has written.
fn element(headers: &HeaderMap, believed: usize) -> Option<Element<'_>> {
    elements_from_right(headers).nth(believed.saturating_sub(1))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn told(
        header: ForwardedHeader,
        lines: &[(&'static str, &str)],
    ) -> (String, &'static str, u16, Option<String>) {
        let trust = Trust { proxies: "10.0.0.0/8".parse().unwrap(), header, ..Trust::default() };
        let headers = headers(lines);
        let origin = Origin::direct(PEER.parse().unwrap(), "http", 8080).as_told(&trust, &headers);
        (origin.address.to_string(), origin.scheme, origin.port, origin.host(&headers))
    }

    fn x_told(lines: &[(&'static str, &str)]) -> (String, &'static str, u16, Option<String>) {
        told(ForwardedHeader::XForwardedFor, lines)
    }

    #[test]
    fn a_proxy_that_says_nothing_is_the_client() {
        assert_eq!(x_told(&[]), (PEER.to_owned(), "http", 8080, None));
    }

    #[test]
    fn a_proxys_word_on_address_scheme_host_and_port_is_taken() {
        let all = [
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "www.example.com"),
            ("x-forwarded-port", "8443"),
        ];
        let host = Some("www.example.com".to_owned());
        assert_eq!(x_told(&all), ("192.0.2.1".to_owned(), "https", 8443, host.clone()));
        assert_eq!(x_told(&all[..3]), ("192.0.2.1".to_owned(), "https", 443, host));
        let with_port = [("x-forwarded-proto", "HTTPS"), ("x-forwarded-host", "a.example:444")];
        assert_eq!(x_told(&with_port), (PEER.to_owned(), "https", 444, Some("a.example:444".to_owned())));
    }

    #[test]
    fn lists_are_read_where_the_client_stands() {
        let lines = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
            ("x-forwarded-proto", "gopher, https, http"),
            ("x-forwarded-host", "evil.example, good.example"),
        ];
        let (address, scheme, _, host) = x_told(&lines);
        assert_eq!((address.as_str(), scheme), ("192.0.2.1", "https"));
        assert_eq!(host.as_deref(), Some("good.example"), "lists of another length: the last proxy's word");
    }

    #[test]
    fn words_that_are_none_are_not_taken() {
        let lines = [("x-forwarded-proto", "gopher"), ("x-forwarded-port", "0"), ("x-forwarded-host", "a/b")];
        assert_eq!(x_told(&lines), (PEER.to_owned(), "http", 8080, None));
    }

    #[test]
    fn forwarded_is_read_only_where_it_is_asked_for() {
        let lines = [
            ("forwarded", "for=6.6.6.6;proto=http;host=evil.example"),
            (
                "forwarded",
                "for=\"[2001:db8::1]:99\";proto=https;host=\"a.example:444\", for=10.0.0.2;proto=http",
            ),
        ];
        let expected = ("2001:db8::1".to_owned(), "https", 444, Some("a.example:444".to_owned()));
        assert_eq!(told(ForwardedHeader::Forwarded, &lines), expected);
        assert_eq!(x_told(&lines), (PEER.to_owned(), "http", 8080, None));
        let x = [("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=_hidden;proto=https")];
        assert_eq!(told(ForwardedHeader::Forwarded, &x), (PEER.to_owned(), "https", 443, None));
    }
}
