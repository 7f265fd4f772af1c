//! Which headers cross the router, and which it adds. Pure.

use std::fmt::Write as _;
use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::client_certificate;

/// The header that carries a request's id.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// What is the same for every request of a connection, made once.
#[derive(Clone, Debug)]
pub(crate) struct ForwardedBy {
    peer: HeaderValue,
    scheme: HeaderValue,
    port: HeaderValue,
}

impl ForwardedBy {
    /// For a client at `peer` that came in on `port`.
    pub(crate) fn new(peer: IpAddr, scheme: &'static str, port: u16) -> Self {
        // An address in text is always a valid value; the fallback can never be sent.
        let peer = HeaderValue::from_str(&peer.to_canonical().to_string());
        Self {
            peer: peer.unwrap_or(HeaderValue::from_static("unknown")),
            scheme: HeaderValue::from_static(scheme),
            port: HeaderValue::from(port),
        }
    }
}

/// Makes a client's headers those of a request to an instance.
///
/// No client is trusted yet: whatever it says about who forwarded the request for whom is dropped. `upgrade` is
/// the protocol that the request may change to.
pub(crate) fn prepare_request(
    headers: &mut HeaderMap,
    by: &ForwardedBy,
    request_id: &HeaderValue,
    upgrade: Option<HeaderValue>,
    now_milliseconds: u64,
) {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let trailers = wants_trailers(headers);
    remove_hop_by_hop(headers);
    remove_claims(headers);
    if chunked {
        // hyper would otherwise take a GET of unknown length for one without a body.
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    } else if trailers {
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    headers.insert(X_FORWARDED_FOR, by.peer.clone());
    headers.insert(X_FORWARDED_PROTO, by.scheme.clone());
    headers.insert(X_FORWARDED_PORT, by.port.clone());
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
    headers.insert(X_REQUEST_ID, request_id.clone());
    headers.insert(X_REQUEST_START, request_start(now_milliseconds));
}

/// Makes an instance's headers those of an answer to a client. `upgrade` keeps the headers of a protocol change.
pub(crate) fn prepare_response(headers: &mut HeaderMap, request_id: &HeaderValue, upgrade: bool) {
    let protocol = if upgrade { headers.remove(header::UPGRADE) } else { None };
    // A length beside a transfer coding is void (RFC 9112, section 6.3), and hyper would believe it.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    keep_one_length(headers);
    remove_hop_by_hop(headers);
    // Only the router says that the router failed.
    headers.remove(crate::error_page::X_ROUTER_ERROR);
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    headers.insert(X_REQUEST_ID, request_id.clone());
}

/// hyper has made sure that several lengths are equal; one of them is enough.
fn keep_one_length(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    let first = first.to_str().unwrap_or_default().split(',').next().unwrap_or_default();
    if let Ok(length) = first.trim().parse::<u64>() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Removes what is meant for one connection only (RFC 9110, section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let nominated: Vec<HeaderName> = connection_options(headers)
            .filter(|option| !is_common_option(option))
            .filter_map(|option| HeaderName::from_bytes(option.as_bytes()).ok())
            // Nobody may take these away by calling them hop-by-hop: they say where a message goes and ends.
            .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
            .collect();
        for name in nominated {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS] {
        headers.remove(name);
    }
    for name in [header::TE, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
}

/// The options that almost every `Connection` header has; their headers are removed anyway.
fn is_common_option(option: &str) -> bool {
    ["keep-alive", "close", "upgrade", "te"].iter().any(|common| option.eq_ignore_ascii_case(common))
}

/// The options of all `Connection` headers.
pub(crate) fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// Removes what a client says in the router's name, and names with underscores.
///
/// CGI, WSGI and Rack turn `-` into `_`, so `X_Forwarded_For` would arrive there as `X-Forwarded-For`; and `Proxy`
/// would become `HTTP_PROXY`, which programs take for a setting (httpoxy, CVE-2016-5385).
fn remove_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-forwarded-") || name.contains('_') || client_certificate::is_claim(name)
    };
    if headers.keys().any(is_claim) {
        let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
        for name in claims {
            headers.remove(name);
        }
    }
    for name in [header::FORWARDED, X_REAL_IP, PROXY] {
        headers.remove(name);
    }
}

/// The id that a request came with, if it is one, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(id) if is_request_id(id.as_bytes()) => id.clone(),
        _ => new_request_id(),
    }
}

fn is_request_id(id: &[u8]) -> bool {
    (20..=200).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// A random UUID (RFC 9562, version 4).
fn new_request_id() -> HeaderValue {
    let random: u128 = rand::random();
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut id = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(id)).unwrap_or(HeaderValue::from_static("-"))
}

fn request_start(milliseconds: u64) -> HeaderValue {
    let mut text = String::with_capacity(16);
    // Writing to a string cannot fail.
    if write!(text, "t={milliseconds}").is_err() {
        text.clear();
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(HeaderValue::from_static("t=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn prepared(lines: &[(&'static str, &str)], upgrade: Option<&'static str>) -> HeaderMap {
        let mut headers = headers(lines);
        let by = ForwardedBy::new("::ffff:10.0.0.9".parse().unwrap(), "http", 80);
        let id = HeaderValue::from_static("an-id-of-twenty-chars");
        prepare_request(&mut headers, &by, &id, upgrade.map(HeaderValue::from_static), 1700);
        headers
    }

    #[test]
    fn the_router_says_who_forwards_for_whom_and_the_client_does_not() {
        let headers = prepared(
            &[
                ("host", "Blog.example:8080"),
                ("x-forwarded-for", "6.6.6.6"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-prefix", "/x"),
                ("x_forwarded_for", "6.6.6.6"),
                ("content_length", "1"),
                ("forwarded", "for=6.6.6.6"),
                ("x-real-ip", "6.6.6.6"),
                ("proxy", "http://6.6.6.6"),
                ("cookie", "a=b"),
            ],
            None,
        );
        assert_eq!(headers["x-forwarded-for"], "10.0.0.9");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-port"], "80");
        assert_eq!(headers["x-forwarded-host"], "Blog.example:8080");
        assert_eq!(headers["host"], "Blog.example:8080");
        assert_eq!(headers["x-request-id"], "an-id-of-twenty-chars");
        assert_eq!(headers["x-request-start"], "t=1700");
        assert_eq!(headers["cookie"], "a=b");
        assert_eq!(headers.len(), 8, "{headers:?}");
    }

    #[test]
    fn hop_by_hop_headers_end_here() {
        let headers = prepared(
            &[
                ("host", "a"),
                ("connection", "keep-alive, X-Secret, Host, Content-Length"),
                ("connection", "x-other"),
                ("x-secret", "1"),
                ("x-other", "1"),
                ("content-length", "3"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("te", "gzip"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAMA"),
            ],
            None,
        );
        for name in ["connection", "x-secret", "x-other", "keep-alive", "te", "upgrade", "http2-settings"] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert_eq!(headers["host"], "a");
        assert_eq!(headers["content-length"], "3");
    }

    #[test]
    fn trailers_an_upgrade_and_chunks_are_asked_for_anew() {
        let trailers = prepared(&[("host", "a"), ("te", "gzip, Trailers"), ("connection", "TE")], None);
        assert_eq!(
            (&trailers["te"], &trailers["connection"]),
            (&"trailers".parse().unwrap(), &"te".parse().unwrap())
        );
        let upgrade = prepared(&[("upgrade", "websocket"), ("connection", "x, upgrade")], Some("websocket"));
        assert_eq!(upgrade["connection"], "upgrade");
        assert_eq!(upgrade["upgrade"], "websocket");
        assert_eq!(prepared(&[("transfer-encoding", "chunked")], None)["transfer-encoding"], "chunked");
    }

    #[test]
    fn an_answer_has_one_length_or_none() {
        let id = HeaderValue::from_static("id");
        let mut twice = headers(&[("content-length", "5"), ("content-length", "5"), ("connection", "close")]);
        prepare_response(&mut twice, &id, false);
        assert_eq!(twice.get_all("content-length").iter().count(), 1);
        assert!(!twice.contains_key("connection"));
        let mut list = headers(&[("content-length", "5, 5")]);
        prepare_response(&mut list, &id, false);
        assert_eq!(list["content-length"], "5");
        let mut both = headers(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
        prepare_response(&mut both, &id, false);
        assert!(!both.contains_key("content-length") && !both.contains_key("transfer-encoding"));
    }

    #[test]
    fn a_request_id_is_taken_only_if_it_is_one() {
        let id = |value: &str| request_id(&headers(&[("x-request-id", value)])).to_str().unwrap().to_owned();
        let good = "0123456789-abcdefXYZ";
        assert_eq!(id(good), good);
        for bad in ["short", &"a".repeat(201), "0123456789 abcdefghij", "<script>alert(1)</script>"] {
            assert_ne!(id(bad), *bad);
        }
        let made = id("");
        assert_eq!(made.len(), 36);
        assert_eq!(made.as_bytes()[14], b'4');
        assert!(is_request_id(made.as_bytes()));
        assert_ne!(made, id(""));
    }
}
