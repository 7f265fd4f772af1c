//! What an app is told about who asks: the headers that the router writes in its own name. Pure.
//!
//! `X-Forwarded-For` has the client first and the router's own peer last; what a client invented stands nowhere in
//! it, so that an app may take either end. `Via` is not written, although RFC 9110 (section 7.6.3) wants it of
//! proxies: many servers inside containers (nginx by default) stop compressing when they see it.

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::access_log::put_address;
use crate::forwarded::write_node;
use crate::origin::Origin;

/// Characters of the longest IPv4 address.
const LONGEST_IPV4: usize = 15;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What is the same for every request of a connection, made once.
#[derive(Clone, Debug)]
pub(crate) struct ForwardedBy {
    peer: IpAddr,
    peer_value: HeaderValue,
    scheme: &'static str,
    port: u16,
    port_value: HeaderValue,
    /// Whether apps get `Forwarded` as well.
    with_forwarded: bool,
}

/// The router's word on one request, read while the client's headers are still there.
#[derive(Debug)]
pub(crate) struct Word {
    chain: HeaderValue,
    address: HeaderValue,
    scheme: HeaderValue,
    port: HeaderValue,
    host: Option<HeaderValue>,
    prefix: Option<HeaderValue>,
    forwarded: Option<HeaderValue>,
}

impl ForwardedBy {
    /// For a client at `peer` that came in on `port`.
    pub(crate) fn new(peer: IpAddr, scheme: &'static str, port: u16, with_forwarded: bool) -> Self {
        let peer = peer.to_canonical();
        let port_value = HeaderValue::from(port);
        let mut text = String::with_capacity(LONGEST_IPV4);
        put_address(&mut text, peer);
        Self { peer, peer_value: value(text), scheme, port, port_value, with_forwarded }
    }

    /// What to say of a request. `prefix` is the beginning of its path that the app does not see.
    pub(crate) fn word(&self, headers: &HeaderMap, origin: Origin, prefix: Option<&str>) -> Word {
        let host = origin.host(headers).map(value);
        let mut word = Word {
            chain: self.peer_value.clone(),
            address: self.peer_value.clone(),
            scheme: HeaderValue::from_static(origin.scheme),
            port: self.port_value.clone(),
            host: host.or_else(|| headers.get(header::HOST).cloned()),
            prefix: None,
            forwarded: None,
        };
        if origin.told.is_none() && !self.with_forwarded && prefix.is_none() {
            return word;
        }
        let chain = origin.chain(headers);
        if origin.told.is_some() {
            word.address = value(origin.address.to_string());
            word.chain = self.chain(&chain);
        }
        if origin.port != self.port {
            word.port = HeaderValue::from(origin.port);
        }
        if self.with_forwarded {
            word.forwarded = Some(self.forwarded(&chain, origin, word.host.as_ref()));
        }
        word.prefix = joined_prefix(headers, origin, prefix.unwrap_or_default());
        word
    }

    fn chain(&self, believed: &[IpAddr]) -> HeaderValue {
        let mut text = String::with_capacity(40 * (believed.len() + 1));
        for address in believed {
            // Writing to a string cannot fail.
            let written = write!(text, "{address}, ");
            debug_assert!(written.is_ok());
        }
        text.push_str(self.peer_value.to_str().unwrap_or_default());
        value(text)
    }

    /// RFC 7239: the first element is the client's, with what it asked for; the last one is the router's.
    fn forwarded(&self, believed: &[IpAddr], origin: Origin, host: Option<&HeaderValue>) -> HeaderValue {
        let mut text = String::new();
        for (index, address) in believed.iter().chain([&self.peer]).enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            write_node(&mut text, *address);
            if index == 0 {
                text.push_str(";proto=");
                text.push_str(origin.scheme);
                if let Some(host) = host.and_then(|host| host.to_str().ok()) {
                    text.push_str(";host=\"");
                    // A host has neither quotes nor backslashes.
                    text.push_str(host);
                    text.push('"');
                }
            }
        }
        if !believed.is_empty() {
            text.push_str(";proto=");
            text.push_str(self.scheme);
        }
        value(text)
    }
}

impl Word {
    /// Says it, in place of whatever was said before.
    pub(crate) fn insert(self, headers: &mut HeaderMap) {
        headers.insert(X_FORWARDED_FOR, self.chain);
        headers.insert(X_REAL_IP, self.address);
        headers.insert(X_FORWARDED_PROTO, self.scheme);
        headers.insert(X_FORWARDED_PORT, self.port);
        let further = [
            (X_FORWARDED_HOST, self.host),
            (X_FORWARDED_PREFIX, self.prefix),
            (header::FORWARDED, self.forwarded),
        ];
        for (name, value) in further {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

/// What was taken from the path by a trusted proxy and by the router.
fn joined_prefix(headers: &HeaderMap, origin: Origin, own: &str) -> Option<HeaderValue> {
    let told = origin.told.and_then(|_| headers.get(X_FORWARDED_PREFIX)?.to_str().ok());
    let told = told.filter(|told| told.starts_with('/') && !told.starts_with("//")).unwrap_or_default();
    let joined = format!("{}{own}", told.trim_end_matches('/'));
    (!joined.is_empty()).then(|| value(joined))
}

/// What is made of addresses, hosts and paths that were checked is always a valid value.
fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::ForwardedHeader;

    fn said(
        origin: Origin,
        with_forwarded: bool,
        prefix: Option<&str>,
        lines: &[(&'static str, &str)],
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let by = ForwardedBy::new("::ffff:10.0.0.9".parse().unwrap(), "http", 80, with_forwarded);
        by.word(&headers, origin, prefix).insert(&mut headers);
        headers
    }

    fn direct() -> Origin {
        Origin::direct("10.0.0.9".parse().unwrap(), "http", 80)
    }

    #[test]
    fn a_client_of_its_own_is_told_of_by_its_address() {
        let headers = said(
            direct(),
            false,
            Some("/app"),
            &[("host", "Blog.example:8080"), ("x-forwarded-for", "6.6.6.6")],
        );
        for (name, value) in [
            ("x-forwarded-for", "10.0.0.9"),
            ("x-real-ip", "10.0.0.9"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "80"),
            ("x-forwarded-host", "Blog.example:8080"),
            ("x-forwarded-prefix", "/app"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        assert!(!headers.contains_key("forwarded"));
    }

    #[test]
    fn a_proxys_chain_is_kept_from_the_client_on() {
        let origin = Origin {
            address: "192.0.2.1".parse().unwrap(),
            scheme: "https",
            port: 443,
            told: Some(ForwardedHeader::XForwardedFor),
            believed: 2,
        };
        let lines = [
            ("host", "internal"),
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.2"),
            ("x-forwarded-host", "www.example.com"),
            ("x-forwarded-prefix", "/out/"),
        ];
        let headers = said(origin, false, Some("/app"), &lines);
        for (name, value) in [
            ("x-forwarded-for", "192.0.2.1, 10.0.0.2, 10.0.0.9"),
            ("x-real-ip", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-host", "www.example.com"),
            ("x-forwarded-prefix", "/out/app"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }

    #[test]
    fn forwarded_is_written_as_rfc_7239_says() {
        let lines = [("host", "a.example")];
        let headers = said(direct(), true, None, &lines);
        assert_eq!(headers["forwarded"], "for=10.0.0.9;proto=http;host=\"a.example\"");
        let origin = Origin {
            address: "2001:db8::1".parse().unwrap(),
            scheme: "https",
            port: 443,
            told: Some(ForwardedHeader::Forwarded),
            believed: 1,
        };
        let lines = [("host", "a.example"), ("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]\"")];
        let headers = said(origin, true, None, &lines);
        let expected = "for=\"[2001:db8::1]\";proto=https;host=\"a.example\", for=10.0.0.9;proto=http";
        assert_eq!(headers["forwarded"], expected);
        assert_eq!(headers["x-forwarded-for"], "2001:db8::1, 10.0.0.9");
    }
}
