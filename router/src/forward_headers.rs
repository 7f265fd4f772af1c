//! Which headers cross the router, and which it adds. Pure.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::client_certificate;
use crate::forwarding::ForwardedBy;
use crate::origin::Origin;
use crate::policy::headers::{Headers, Traces};
use crate::request_id::{
    TRACEPARENT, X_REQUEST_ID, continue_or_begin_trace, is_request_start, new_traceparent, request_start,
};
use crate::value_buffer::ValueBuffer;

const X_REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// A request on its way to an instance.
#[derive(Debug)]
pub(crate) struct Passing<'a> {
    /// Its connection.
    pub(crate) by: &'a ForwardedBy,
    /// Who it is from.
    pub(crate) origin: Origin,
    /// Its id.
    pub(crate) request_id: HeaderValue,
    /// Where the values are made.
    pub(crate) values: &'a ValueBuffer,
    /// The beginning of its path that the instance does not see.
    pub(crate) prefix: Option<&'a str>,
    /// The protocol that it may change to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// What is set about the app's headers.
    pub(crate) policy: &'a Headers,
    /// When it began, in milliseconds of Unix time.
    pub(crate) began: u64,
}

/// Makes a client's headers those of a request to an instance.
pub(crate) fn prepare_request(headers: &mut HeaderMap, passing: Passing<'_>) {
    let word = passing.by.word(headers, passing.origin, passing.prefix);
    let found = Found::scan(headers);
    if found.any_hop_by_hop() {
        let trailers = found.has(Found::TE) && wants_trailers(headers);
        remove_hop_by_hop(headers, found);
        if found.has(Found::TRANSFER_ENCODING) {
            // hyper would otherwise take a GET of unknown length for one without a body.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if trailers && passing.upgrade.is_none() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    if let Some(protocol) = passing.upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    if found.has(Found::CLAIM | Found::UNDERSCORE) {
        remove_claims(headers, passing.policy.underscores);
    }
    word.insert(headers);
    let new_trace = || {
        let begins = passing.policy.traces == Traces::Begin;
        begins.then(|| new_traceparent(passing.request_id.as_bytes(), passing.values))
    };
    if found.has(Found::TRACE) {
        continue_or_begin_trace(headers, new_trace);
    } else if let Some(parent) = new_trace() {
        headers.insert(TRACEPARENT, parent);
    }
    headers.insert(X_REQUEST_ID, passing.request_id);
    let told = headers.get(X_REQUEST_START).filter(|_| passing.origin.told.is_some());
    if told.is_none_or(|start| !is_request_start(start.as_bytes())) {
        headers.insert(X_REQUEST_START, request_start(passing.began, passing.values));
    }
}

/// Which of the headers that must not cross as they are a message has, found in one walk: most have few of them, and
/// asking for each by name would cost a dozen look-ups.
#[derive(Clone, Copy, Debug, Default)]
struct Found(u16);

impl Found {
    const CONNECTION: u16 = 1;
    const TE: u16 = 2;
    const TRANSFER_ENCODING: u16 = 4;
    /// What else ends with the connection.
    const HOP_BY_HOP: u16 = 8;
    const CLAIM: u16 = 16;
    const UNDERSCORE: u16 = 32;
    const TRACE: u16 = 64;
    const LENGTH: u16 = 128;
    const ROUTER_ERROR: u16 = 256;

    fn scan(headers: &HeaderMap) -> Self {
        let mut found = 0;
        for name in headers.keys() {
            found |= match name.as_str() {
                "connection" => Self::CONNECTION,
                "upgrade" | "keep-alive" | "proxy-connection" | "http2-settings" => Self::HOP_BY_HOP,
                "te" => Self::TE,
                "transfer-encoding" => Self::TRANSFER_ENCODING,
                "forwarded" | "x-real-ip" | "proxy" => Self::CLAIM,
                "traceparent" | "tracestate" => Self::TRACE,
                "content-length" => Self::LENGTH,
                "x-router-error" => Self::ROUTER_ERROR,
                name if name.starts_with("x-forwarded") || client_certificate::is_claim(name) => Self::CLAIM,
                name if name.contains('_') => Self::UNDERSCORE,
                _ => 0,
            };
        }
        Self(found)
    }

    fn has(self, which: u16) -> bool {
        self.0 & which != 0
    }

    fn any_hop_by_hop(self) -> bool {
        self.has(Self::CONNECTION | Self::HOP_BY_HOP | Self::TE | Self::TRANSFER_ENCODING)
    }
}

/// Makes an instance's headers those of an answer to a client. `upgrade` keeps the headers of a protocol change.
pub(crate) fn prepare_response(headers: &mut HeaderMap, request_id: &HeaderValue, upgrade: bool) {
    let found = Found::scan(headers);
    let protocol = if upgrade { headers.remove(header::UPGRADE) } else { None };
    if found.has(Found::TRANSFER_ENCODING) {
        // A length beside a transfer coding is void (RFC 9112, section 6.3), and hyper would believe it.
        headers.remove(header::CONTENT_LENGTH);
    } else if found.has(Found::LENGTH) {
        keep_one_length(headers);
    }
    remove_hop_by_hop(headers, found);
    if found.has(Found::ROUTER_ERROR) {
        // Only the router says that the router failed.
        headers.remove(crate::error_page::X_ROUTER_ERROR);
    }
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    headers.insert(X_REQUEST_ID, request_id.clone());
}

/// Makes an instance's headers those of an interim answer, which has no body and says nothing of one.
pub(crate) fn prepare_interim(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers, Found::scan(headers));
    for name in [header::CONTENT_LENGTH, header::TRAILER, crate::error_page::X_ROUTER_ERROR] {
        headers.remove(name);
    }
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
fn remove_hop_by_hop(headers: &mut HeaderMap, found: Found) {
    if found.has(Found::CONNECTION) {
        // Nearly always it is one option, which nominates nothing that stays.
        if !headers.get_all(header::CONNECTION).iter().all(|options| is_common_option(options.as_bytes())) {
            remove_nominated(headers);
        }
        headers.remove(header::CONNECTION);
    }
    if found.has(Found::HOP_BY_HOP) {
        for name in [header::UPGRADE, KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS] {
            headers.remove(name);
        }
    }
    for (which, name) in [(Found::TE, header::TE), (Found::TRANSFER_ENCODING, header::TRANSFER_ENCODING)] {
        if found.has(which) {
            headers.remove(name);
        }
    }
}

/// Removes the headers that `Connection` names.
fn remove_nominated(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = connection_options(headers)
        .filter(|option| !is_common_option(option.as_bytes()))
        .filter_map(|option| HeaderName::from_bytes(option.as_bytes()).ok())
        // Nobody may take these away by calling them hop-by-hop: they say where a message goes and ends.
        .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
        .collect();
    for name in nominated {
        headers.remove(name);
    }
}

/// The options that almost every `Connection` header has; their headers are removed anyway.
fn is_common_option(option: &[u8]) -> bool {
    let common: [&[u8]; 4] = [b"keep-alive", b"close", b"upgrade", b"te"];
    common.iter().any(|common| option.eq_ignore_ascii_case(common))
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

/// Removes what a client says in the router's name, and, unless an app wants them, names with underscores.
///
/// CGI, WSGI and Rack turn `-` into `_`, so `X_Forwarded_For` would arrive there as `X-Forwarded-For`: names that
/// would be taken for the router's own never pass. `Proxy` would become `HTTP_PROXY`, which programs take for a
/// setting (httpoxy, CVE-2016-5385).
fn remove_claims(headers: &mut HeaderMap, underscores: bool) {
    let is_claim = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-forwarded")
            || client_certificate::is_claim(name)
            || (name.contains('_') && !(underscores && is_harmless(name)))
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

/// Whether a name with underscores would still be nobody else's with hyphens.
fn is_harmless(name: &str) -> bool {
    let name = name.replace('_', "-");
    let is_framing = ["content-length", "transfer-encoding", "connection", "host"].contains(&name.as_str());
    let is_claim = ["forwarded", "x-real-ip", "x-request-id", "x-request-start"].contains(&name.as_str());
    !is_framing && !is_claim && !name.starts_with("x-forwarded") && !client_certificate::is_claim(&name)
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

    fn prepare(headers: &mut HeaderMap, upgrade: Option<&'static str>, policy: &Headers) {
        let passing = Passing {
            by: &ForwardedBy::new("10.0.0.9".parse().unwrap(), "http", 80, false),
            origin: Origin::direct("10.0.0.9".parse().unwrap(), "http", 80),
            request_id: HeaderValue::from_static("an-id-of-twenty-chars"),
            values: &ValueBuffer::default(),
            prefix: None,
            upgrade: upgrade.map(HeaderValue::from_static),
            policy,
            began: 1700,
        };
        prepare_request(headers, passing);
    }

    fn prepared(lines: &[(&'static str, &str)], upgrade: Option<&'static str>) -> HeaderMap {
        let mut headers = headers(lines);
        prepare(&mut headers, upgrade, &Headers { traces: Traces::Continue, ..Headers::default() });
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
        assert_eq!(headers["x-real-ip"], "10.0.0.9");
        assert_eq!(headers["cookie"], "a=b");
        assert_eq!(headers.len(), 9, "{headers:?}");
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
    fn underscores_pass_where_an_app_wants_them_and_nothing_is_forged_by_them() {
        let lines =
            [("x_mine", "1"), ("x_forwarded_for", "6.6.6.6"), ("content_length", "1"), ("x_request_id", "x")];
        assert!(!prepared(&lines, None).contains_key("x_mine"));
        let mut wanted = headers(&lines);
        prepare(&mut wanted, None, &Headers { underscores: true, ..Headers::default() });
        assert_eq!(wanted["x_mine"], "1");
        for name in ["x_forwarded_for", "content_length", "x_request_id"] {
            assert!(!wanted.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_trace_begins_unless_the_app_wants_none() {
        let mut begun = HeaderMap::new();
        prepare(&mut begun, None, &Headers::default());
        assert!(begun.contains_key("traceparent"));
        assert!(!prepared(&[("traceparent", "x"), ("tracestate", "a=b")], None).contains_key("tracestate"));
    }
}
