//! Whole heads, read as hyper reads them, and what is made of them on their way.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri};

use crate::check::{check, wanted_upgrade};
use crate::forward_headers::{Passing, prepare_interim, prepare_request, prepare_response};
use crate::forwarded;
use crate::forwarding::ForwardedBy;
use crate::http2_request::as_http1;
use crate::origin::Origin;
use crate::policy::headers::Headers;
use crate::trust::{ForwardedHeader, Trust, TrustedProxies};
use crate::value_buffer::ValueBuffer;

const MAX_HEADERS: usize = 100;
/// What never crosses the router.
const HOP_BY_HOP: [&str; 3] = ["keep-alive", "proxy-connection", "http2-settings"];

/// Whatever stands to the left of a trusted proxy's own word changes nothing of it.
pub(super) fn forwarded(input: &[u8]) {
    let Ok(client) = "192.0.2.9".parse::<IpAddr>() else { return };
    let Ok(proxies) = "10.0.0.0/8".parse::<TrustedProxies>() else { return };
    let Ok(peer) = "10.0.0.1".parse::<IpAddr>() else { return };
    let mut trust = Trust { proxies, ..Trust::default() };
    let read = |trust: &Trust, headers: &HeaderMap| {
        let origin = Origin::direct(peer, "http", 80).as_told(trust, headers);
        let by = ForwardedBy::new(peer, "http", 80, true);
        by.word(headers, origin, None).insert(&mut headers.clone());
        origin.address
    };
    let (x, rfc) = (HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("forwarded"));
    let mut headers = HeaderMap::new();
    if let Ok(claim) = HeaderValue::from_bytes(input) {
        headers.append(x.clone(), claim.clone());
        headers.append(rfc.clone(), claim);
    }
    let _any_address = read(&trust, &headers);
    headers.append(x, HeaderValue::from_static("192.0.2.9"));
    headers.append(rfc, HeaderValue::from_static("for=192.0.2.9"));
    assert_eq!(read(&trust, &headers), client);
    trust.header = ForwardedHeader::Forwarded;
    assert_eq!(read(&trust, &headers), client);
    if let Ok(text) = std::str::from_utf8(input) {
        let elements = forwarded::elements(text);
        assert!(elements.is_none_or(|elements| !elements.is_empty()));
    }
}

/// What passes the checks names one host and has one length, and reaches an instance without what only the router says.
pub(super) fn request(input: &[u8]) {
    let Some(parts) = request_head(input) else { return };
    let mut over_http2 = parts.clone();
    as_http1(&mut over_http2, false);
    assert!(over_http2.headers.get_all(header::COOKIE).iter().count() < 2);
    for mut parts in [parts, over_http2] {
        let Ok(host) = check(&parts, None, "http") else { continue };
        assert!(!host.name.is_empty());
        pass_on(&mut parts);
    }
}

fn pass_on(parts: &mut Parts) {
    let peer = IpAddr::from([192, 0, 2, 1]);
    let upgrade = wanted_upgrade(parts, false);
    let is_upgrade = upgrade.is_some();
    let passing = Passing {
        by: &ForwardedBy::new(peer, "http", 80, false),
        origin: Origin::direct(peer, "http", 80),
        request_id: HeaderValue::from_static("id"),
        values: &ValueBuffer::default(),
        prefix: None,
        upgrade,
        policy: &Headers::default(),
        began: 1,
    };
    prepare_request(&mut parts.headers, passing);
    let all = |name: &str| parts.headers.get_all(name).iter().collect::<Vec<_>>();
    assert!(HOP_BY_HOP.iter().all(|name| !parts.headers.contains_key(*name)));
    assert!(all("transfer-encoding").iter().all(|coding| *coding == "chunked"));
    assert!(all("transfer-encoding").len() + all("content-length").len() < 2);
    assert!(all("connection").iter().all(|option| *option == if is_upgrade { "upgrade" } else { "te" }));
    assert!(is_upgrade || !parts.headers.contains_key(header::UPGRADE));
    assert_eq!(all("host").len(), 1);
    for (name, value) in
        [("x-forwarded-for", "192.0.2.1"), ("x-real-ip", "192.0.2.1"), ("x-request-id", "id")]
    {
        assert_eq!(all(name), [value], "{name}");
    }
    assert!(!parts.headers.keys().any(|name| name.as_str().contains('_')));
}

/// What an instance says of its connection, and what only the router says, does not reach a client.
pub(super) fn answer(input: &[u8]) {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut room);
    if !head.parse(input).is_ok_and(|status| status.is_complete()) {
        return;
    }
    let Some(headers) = map(head.headers) else { return };
    let (mut last, mut interim) = (headers.clone(), headers);
    prepare_response(&mut last, &HeaderValue::from_static("id"), false);
    prepare_interim(&mut interim);
    for headers in [&last, &interim] {
        assert!(HOP_BY_HOP.iter().all(|name| !headers.contains_key(*name)));
        assert!(
            ["connection", "upgrade", "transfer-encoding", "te", "x-router-error"]
                .iter()
                .all(|name| !headers.contains_key(*name))
        );
    }
    assert!(!interim.contains_key(header::CONTENT_LENGTH));
    assert_eq!(last.get_all("x-request-id").iter().collect::<Vec<_>>(), ["id"]);
}

/// A request's head, if it is one.
fn request_head(input: &[u8]) -> Option<Parts> {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut room);
    if !head.parse(input).ok()?.is_complete() {
        return None;
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method?.as_bytes()).ok()?;
    *request.uri_mut() = head.path?.parse::<Uri>().ok()?;
    *request.headers_mut() = map(head.headers)?;
    Some(request.into_parts().0)
}

fn map(headers: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        map.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(map)
}
