//! What a request must be before it is passed on (RFC 9110 and RFC 9112). Pure.
//!
//! hyper refuses most malformed input itself; what it lets through and an app must not see is refused here.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Version};

use crate::fault::Fault;
use crate::head_watch::Offence;
use crate::host::RequestHost;

/// Headers of one request. hyper's own limit for HTTP/1.1 is a little lower; for HTTP/2 it has none.
const MAX_HEADERS: usize = 128;

/// Checks a request and says which host it is for.
pub(crate) fn check<'a>(
    request: &'a Parts,
    offence: Option<Offence>,
    scheme: &str,
) -> Result<RequestHost<'a>, Fault> {
    if let Some(offence) = offence {
        return Err(offence_fault(offence));
    }
    if request.headers.len() > MAX_HEADERS {
        return Err(Fault::HeadTooLarge);
    }
    check_method(request)?;
    check_framing(&request.headers)?;
    check_expectation(request)?;
    let host = check_host(request, scheme)?;
    Ok(host)
}

fn offence_fault(offence: Offence) -> Fault {
    Fault::BadRequest(match offence {
        Offence::TwoLengths => "The request has both Content-Length and Transfer-Encoding",
        Offence::BareLineFeed => "A line of the request does not end in CR LF",
        Offence::Fragment => "The request's target has a fragment",
    })
}

fn check_method(request: &Parts) -> Result<(), Fault> {
    if request.method == Method::CONNECT || request.method == Method::TRACE {
        return Err(Fault::MethodNotAllowed);
    }
    Ok(())
}

fn check_framing(headers: &HeaderMap) -> Result<(), Fault> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() {
            return Err(Fault::BadRequest("The request has two Transfer-Encoding headers"));
        }
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(offence_fault(Offence::TwoLengths));
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(coding_fault(coding));
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        // `003` is three for hyper and may be octal three, or nothing, for whoever stands behind.
        let canonical = length.as_bytes() == b"0" || !length.as_bytes().starts_with(b"0");
        if !canonical || lengths.next().is_some() {
            return Err(Fault::BadRequest("The request's Content-Length is not valid"));
        }
    }
    Ok(())
}

fn coding_fault(coding: &HeaderValue) -> Fault {
    let chunked = coding.to_str().unwrap_or_default().split(',');
    if chunked.filter(|coding| coding.trim().eq_ignore_ascii_case("chunked")).count() > 1 {
        return Fault::BadRequest("The request is chunked twice");
    }
    Fault::UnknownTransferCoding
}

fn check_expectation(request: &Parts) -> Result<(), Fault> {
    for value in request.headers.get_all(header::EXPECT) {
        if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            return Err(Fault::ExpectationFailed);
        }
    }
    Ok(())
}

fn check_host<'a>(request: &'a Parts, scheme: &str) -> Result<RequestHost<'a>, Fault> {
    let target = &request.uri;
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let host = hosts.next().ok_or(Fault::BadRequest("The request has no Host header"))?;
    if hosts.next().is_some() {
        return Err(Fault::BadRequest("The request has two Host headers"));
    }
    let host =
        RequestHost::parse(host.as_bytes()).ok_or(Fault::BadRequest("The Host header is not valid"))?;
    if target.path() == "*" && request.method != Method::OPTIONS {
        return Err(Fault::BadRequest("The target * is for OPTIONS only"));
    }
    let raw = target.path_and_query().map_or("", |target| target.as_str());
    if !raw.is_ascii() {
        return Err(Fault::BadRequest("The request's target has characters outside ASCII"));
    }
    let Some(authority) = target.authority() else {
        return if raw.starts_with('/') || raw == "*" {
            Ok(host)
        } else {
            Err(Fault::BadRequest("The request's target is not valid"))
        };
    };
    // The absolute form, as sent to proxies: every server has to take it (RFC 9112, section 3.2.2). The target
    // would win over Host there; where they differ, the app would be shown one host and we would route another.
    if target.scheme_str() != Some(scheme) {
        return Err(Fault::BadRequest("The target's scheme is not the connection's"));
    }
    match RequestHost::parse(authority.as_str().as_bytes()) {
        Some(named) if named.name == host.name => Ok(host),
        Some(_) => Err(Fault::BadRequest("The target and the Host header name different hosts")),
        None => Err(Fault::BadRequest("The target's host is not valid")),
    }
}

/// The protocol that a request wants to change to, if it may.
///
/// Only a request without a body may: a body beside an upgrade is read as the new protocol by some servers and as
/// the body by others. `h2c` and the like are never passed on, for behind them the router could check nothing.
pub(crate) fn wanted_upgrade(request: &Parts, has_body: bool) -> Option<HeaderValue> {
    let mut protocols = request.headers.get_all(header::UPGRADE).iter();
    let protocol = protocols.next()?;
    if has_body || protocols.next().is_some() || request.version != Version::HTTP_11 {
        return None;
    }
    let text = protocol.to_str().ok()?;
    let lower = text.to_ascii_lowercase();
    let single = !lower.is_empty() && !lower.contains(',');
    let passed_on = !["h2c", "h2", "http/", "tls/"].iter().any(|prefix| lower.starts_with(prefix));
    let nominated = crate::forward_headers::connection_options(&request.headers)
        .any(|option| option.eq_ignore_ascii_case("upgrade"));
    (single && passed_on && nominated && request.method == Method::GET).then(|| protocol.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        match check(&parts(method, target, headers), None, "http") {
            Ok(_) => 200,
            Err(fault) => fault.status().as_u16(),
        }
    }

    #[test]
    fn good_requests_pass() {
        assert_eq!(status("GET", "/", &[("host", "a")]), 200);
        assert_eq!(status("GET", "//x//y?%2f=..#", &[("host", "A.b:8080")]), 200);
        assert_eq!(status("OPTIONS", "*", &[("host", "a")]), 200);
        assert_eq!(status("GET", "http://a/b", &[("host", "A")]), 200);
        assert_eq!(status("POST", "/", &[("host", "a"), ("transfer-encoding", "Chunked")]), 200);
        assert_eq!(status("POST", "/", &[("host", "a"), ("content-length", "0")]), 200);
        assert_eq!(status("POST", "/", &[("host", "a"), ("expect", "100-Continue")]), 200);
    }

    #[test]
    fn bad_hosts_are_refused() {
        assert_eq!(status("GET", "/", &[]), 400);
        assert_eq!(status("GET", "/", &[("host", "a"), ("host", "a")]), 400);
        for host in ["", "u@a", "a/b", "a b", "a,b", "[::1"] {
            assert_eq!(status("GET", "/", &[("host", host)]), 400, "{host}");
        }
    }

    #[test]
    fn bad_targets_are_refused() {
        assert_eq!(status("GET", "*", &[("host", "a")]), 400);
        assert_eq!(status("GET", "/é", &[("host", "a")]), 400);
        assert_eq!(status("GET", "http://b/", &[("host", "a")]), 400);
        assert_eq!(status("GET", "http://u@a/", &[("host", "a")]), 400);
        assert_eq!(status("GET", "https://a/", &[("host", "a")]), 400);
        assert_eq!(status("GET", "a:80", &[("host", "a")]), 400);
    }

    #[test]
    fn bad_framing_is_refused() {
        let with = |name, value| status("POST", "/", &[("host", "a"), (name, value)]);
        assert_eq!(with("transfer-encoding", "gzip, chunked"), 501);
        assert_eq!(with("transfer-encoding", "identity"), 501);
        assert_eq!(with("transfer-encoding", "chunked, chunked"), 400);
        assert_eq!(with("content-length", "003"), 400);
        assert_eq!(with("content-length", "00"), 400);
        let both = [("host", "a"), ("content-length", "3"), ("transfer-encoding", "chunked")];
        assert_eq!(status("POST", "/", &both), 400);
        let twice = [("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(status("POST", "/", &twice), 400);
    }

    #[test]
    fn methods_and_expectations_that_nobody_serves_are_refused() {
        assert_eq!(status("TRACE", "/", &[("host", "a")]), 405);
        assert_eq!(status("CONNECT", "a:80", &[("host", "a")]), 405);
        assert_eq!(status("GET", "/", &[("host", "a"), ("expect", "200-ok")]), 417);
    }

    #[test]
    fn only_a_plain_upgrade_is_passed_on() {
        let wanted = |headers: &[(&str, &str)], body| wanted_upgrade(&parts("GET", "/", headers), body);
        let good = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        assert_eq!(wanted(&good, false).unwrap(), "websocket");
        assert!(wanted(&good, true).is_none());
        assert!(wanted(&[("upgrade", "websocket")], false).is_none());
        for protocol in ["h2c", "H2C", "HTTP/2.0", "TLS/1.0", "", "h2c, websocket", "websocket, h2c"] {
            assert!(
                wanted(&[("connection", "upgrade"), ("upgrade", protocol)], false).is_none(),
                "{protocol}"
            );
        }
        let post = parts("POST", "/", &good);
        assert!(wanted_upgrade(&post, false).is_none());
    }
}
