//! An HTTP/2 request in the form in which the rest of the router knows requests: that of HTTP/1.1. Pure.
//!
//! h2 has refused what RFC 9113 calls malformed by the time a request comes here: headers of a connection, upper
//! case, pseudo-headers out of place (sections 8.2.2 and 8.3).

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Uri};

/// Turns a request of HTTP/2 into one with `Host`, one `Cookie`, and a target in origin form.
pub(crate) fn as_http1(parts: &mut Parts, has_body: bool) {
    if parts.method != Method::CONNECT {
        host_from_authority(parts);
    }
    join_cookies(&mut parts.headers);
    if has_body && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        // What HTTP/1.1 calls a body of unknown length. Without it a GET would lose its body on the way.
        parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Makes `Host` of `:authority`. Where both are there and differ, both stay, and the request will be refused for it
/// (RFC 9113, section 8.3.1).
fn host_from_authority(parts: &mut Parts) {
    let Some(authority) = parts.uri.authority() else { return };
    match parts.headers.get(header::HOST) {
        Some(host) if host.as_bytes() != authority.as_str().as_bytes() => return,
        Some(_) => {}
        None => {
            // An authority is a valid value; if it were none, the request would be one without a host.
            if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
                parts.headers.insert(header::HOST, host);
            }
        }
    }
    if let Some(target) = parts.uri.path_and_query() {
        parts.uri = Uri::from(target.clone());
    }
}

/// Joins a `Cookie` that was sent in crumbs (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_maybe_shared(bytes::Bytes::from(crumbs.join(&b"; "[..])));
    // What joins valid values is valid.
    if let Ok(joined) = joined {
        headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn converted(uri: &str, headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        as_http1(&mut parts, false);
        parts
    }

    #[test]
    fn the_authority_becomes_the_host() {
        let parts = converted("https://Blog.test:8443/a?b", &[]);
        assert_eq!(parts.uri, "/a?b");
        assert_eq!(parts.headers["host"], "Blog.test:8443");
        let parts = converted("https://blog.test/", &[("host", "blog.test")]);
        assert_eq!(parts.uri, "/");
        assert_eq!(parts.headers.len(), 1);
    }

    #[test]
    fn a_host_that_contradicts_the_authority_is_left_to_be_refused() {
        let parts = converted("https://blog.test/", &[("host", "shop.test")]);
        assert_eq!(parts.uri.host(), Some("blog.test"));
        assert_eq!(parts.headers["host"], "shop.test");
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let parts = converted("https://a/", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3")]);
        let cookies: Vec<_> = parts.headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn a_body_without_a_length_says_so() {
        let headers = |length: Option<&str>| {
            let mut request = Request::builder().method("GET").uri("https://a/");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            as_http1(&mut parts, true);
            parts.headers
        };
        assert_eq!(headers(None)["transfer-encoding"], "chunked");
        assert!(!headers(Some("5")).contains_key("transfer-encoding"));
        assert!(!converted("https://a/", &[]).headers.contains_key("transfer-encoding"));
    }
}
