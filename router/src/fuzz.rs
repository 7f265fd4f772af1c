//! What has to hold for every input of everything here that parses. Only in tests and under `cargo fuzz`
//! (`router/fuzz`): the tests throw random and nearly right input at each target for a moment, a fuzzer for as long as
//! it likes.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::forwarded;
use crate::forwarding::ForwardedBy;
use crate::head_watch::{HeadWatch, Offences};
use crate::host::RequestHost;
use crate::origin::Origin;
use crate::path_prefix::PathPrefix;
use crate::policy::redirects::Rule;
use crate::proxy_header;
use crate::request_id::{is_request_id, is_traceparent};
use crate::trust::{ForwardedHeader, Trust, TrustedProxies};

/// Panics where something does not hold.
pub type Target = fn(&[u8]);

/// All targets, by the names of their files in `router/fuzz`.
pub const TARGETS: &[(&str, Target)] = &[
    ("host", host),
    ("forwarded", forwarded_headers),
    ("proxy_header", proxy_headers),
    ("path_prefix", path_prefix),
    ("redirect_rule", redirect_rule),
    ("traceparent", traceparent),
    ("head_watch", head_watch),
];

/// A host that is read is read the same again, and holds nothing that could be taken for another part of a URL.
pub fn host(input: &[u8]) {
    let Some(host) = RequestHost::parse(input) else { return };
    assert!(host.name.bytes().all(|byte| !byte.is_ascii_uppercase() && !b"/@?#\\ ,".contains(&byte)));
    let again = RequestHost::parse(host.name.as_bytes());
    assert_eq!(
        again.map(|again| (again.name.into_owned(), again.port)),
        Some((host.name.into_owned(), None))
    );
}

/// Whatever stands to the left of a trusted proxy's own word changes nothing of it.
pub fn forwarded_headers(input: &[u8]) {
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

/// Only what begins like a header is one.
pub fn proxy_headers(input: &[u8]) {
    if proxy_header::ends(input).is_ok() {
        assert!(
            input.starts_with(b"PROXY ")
                || input.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21")
                || input.get(12) == Some(&0x20)
        );
    }
}

/// A prefix covers itself and what is behind a slash. The input is a prefix and a path with a space between.
pub fn path_prefix(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (prefix, path) = text.split_once(' ').unwrap_or((text, "/"));
    let Ok(parsed) = prefix.parse::<PathPrefix>() else { return };
    let suffix = parsed.as_suffix();
    assert!(
        !suffix.ends_with('/')
            && parsed.covers(&format!("{suffix}/x"))
            && (suffix.is_empty() || parsed.covers(suffix))
    );
    if parsed.covers(path) && !suffix.is_empty() {
        let rest = path.strip_prefix(suffix);
        assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])));
    }
}

/// No path leads to another host than the rule's. The input is `from`, `to` and a path with spaces between.
pub fn redirect_rule(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut words = text.split(' ');
    let (Some(from), Some(to), Some(path)) = (words.next(), words.next(), words.next()) else { return };
    let Ok(rule) = Rule::new(from, to, 301) else { return };
    let Some(target) = rule.target(path).filter(|_| path.starts_with('/')) else { return };
    let authority = |url: &str| {
        let rest = url.split_once("://").filter(|_| !url.starts_with('/')).map(|(_, rest)| rest);
        rest.map(|rest| rest.split(['/', '?', '*']).next().unwrap_or_default().to_owned())
    };
    assert_eq!(authority(&target), authority(to), "{target}");
    assert!(target.starts_with('/') || target.starts_with("http"));
}

/// Ids and traces that are taken hold nothing but what they may.
pub fn traceparent(input: &[u8]) {
    if is_traceparent(input) {
        let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
        assert!(input.iter().take(55).all(hex) && input.len() >= 55);
    }
    if is_request_id(input) {
        assert!(input.iter().all(|byte| byte.is_ascii_graphic() && !b"<>&\"'\\".contains(byte)));
    }
}

/// The watch sees the same however its input is cut, and, unless it refuses or has lost its way, as many requests as
/// hyper has answered.
pub fn head_watch(input: &[u8]) {
    let watched = |step: usize| {
        let (mut watch, offences) = (HeadWatch::default(), Offences::default());
        for part in input.chunks(step) {
            watch.feed(part, &offences);
        }
        let heads = watch.heads();
        let first = (1..=heads + 1).find(|request| offences.of(*request).is_some());
        (heads, first)
    };
    let (heads, offence) = watched(input.len().max(1));
    assert_eq!((heads, offence), watched(1));
    assert_eq!((heads, offence), watched(7));
    let answered = answered_by_hyper(input);
    assert!(
        heads >= answered || offence.is_some_and(|request| request <= answered),
        "{heads} {answered} {offence:?}"
    );
}

/// How many requests hyper hands to a service.
fn answered_by_hyper(input: &[u8]) -> u64 {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return 0 };
    let count = Rc::new(Cell::new(0));
    let counter = Rc::clone(&count);
    let service = service_fn(move |request: Request<Incoming>| {
        counter.set(counter.get() + 1);
        let mut body = request.into_body();
        async move {
            while let Some(Ok(_)) =
                std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
            {}
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let io = TokioIo::new(tokio::io::join(input, tokio::io::sink()));
    // However it ends, what counts is how far it came.
    let ended = runtime.block_on(http1::Builder::new().serve_connection(io, service));
    drop(ended);
    count.get()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use proptest::sample::select;

    use super::*;

    /// Pieces of right input, so that a few of them together are often nearly right.
    const PIECES: &[&str] = &[
        "GET / HTTP/1.1\r\n",
        "POST /a HTTP/1.1\r\n",
        "Host: a\r\n",
        "Content-Length: 3\r\n",
        "content-length:0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "\r\n\r\n",
        "3\r\nabc\r\n",
        "0\r\n",
        "0\r\n\r\n",
        "\n",
        "\r",
        "abc",
        "#",
        ";x",
        "X: y\r\n",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "blog.test",
        ":80",
        "[2001:db8::1]",
        "[",
        "]",
        "192.0.2.1",
        "10.0.0.2",
        ", ",
        ";",
        "for=",
        "proto=https",
        "host=",
        "\"",
        "\\",
        "_x",
        "unknown",
        "PROXY ",
        "TCP4 ",
        "TCP6 ",
        "UNKNOWN",
        " 1 2",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        "/",
        "/api",
        "/a*",
        "*",
        " ",
        "..",
        "%2f",
        "?q",
        "https://",
        "http://a.example",
        "@",
        "00-",
        "0af7651916cd43dd8448eb211c80319c",
        "-",
        "b7ad6b7169203331",
        "-01",
        "ff",
    ];

    proptest! {
        #[test]
        fn targets_hold_for_any_bytes(input in vec(any::<u8>(), 0..200)) {
            TARGETS.iter().for_each(|(_, target)| target(&input));
        }

        #[test]
        fn targets_hold_for_what_is_nearly_right(pieces in vec(select(PIECES), 0..14)) {
            let input = pieces.concat();
            TARGETS.iter().for_each(|(_, target)| target(input.as_bytes()));
        }

        #[test]
        fn heads_that_are_nearly_right_are_watched_as_hyper_reads_them(pieces in vec(select(&PIECES[..19]), 0..24)) {
            head_watch(pieces.concat().as_bytes());
        }
    }
}
