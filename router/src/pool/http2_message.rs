//! A request in the form of HTTP/2. Pure.

use hyper::header;
use hyper::http::request::Parts;
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Method, Request, Uri, Version};

/// Makes a request that was prepared for HTTP/1.1 one of HTTP/2: `Host` becomes `:authority`, which servers of gRPC
/// insist on, and what concerns a connection of HTTP/1.1 goes. `TE: trailers` stays, since gRPC asks for it.
///
/// `is_whole` says that the request has no body. Where its method speaks of one, its length is said as over HTTP/1.1.
pub(crate) fn as_http2(mut parts: Parts, is_whole: bool) -> Request<()> {
    parts.extensions.clear();
    let headers = &mut parts.headers;
    for name in [header::CONNECTION, header::UPGRADE, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let has_payload = !matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE);
    if is_whole && has_payload && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, 0.into());
    }
    if let Some(uri) = uri(&parts) {
        parts.headers.remove(header::HOST);
        parts.uri = uri;
        parts.version = Version::HTTP_2;
    }
    Request::from_parts(parts, ())
}

/// The target with the authority. The host was checked; if it were no authority, it would go out as `Host`, which is
/// allowed as well.
fn uri(parts: &Parts) -> Option<Uri> {
    let host = parts.headers.get(header::HOST)?;
    let target = parts.uri.path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(host.as_bytes())
        .path_and_query(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    uri.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str) -> Parts {
        let request = Request::builder()
            .method(method)
            .uri("/a?b=c")
            .header("host", "Blog.test:8080")
            .header("connection", "te")
            .header("te", "trailers")
            .header("transfer-encoding", "chunked")
            .header("expect", "100-continue");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_is_of_a_connection_goes_and_the_host_becomes_the_authority() {
        let request = as_http2(parts("POST"), false);
        assert_eq!(request.uri(), "http://Blog.test:8080/a?b=c");
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.headers().len(), 2);
        assert_eq!(
            (&request.headers()["te"], &request.headers()["expect"]),
            (&"trailers".parse().unwrap(), &"100-continue".parse().unwrap())
        );
    }

    #[test]
    fn no_body_is_one_of_no_bytes_where_one_could_be() {
        assert_eq!(as_http2(parts("POST"), true).headers()["content-length"], "0");
        assert!(!as_http2(parts("GET"), true).headers().contains_key("content-length"));
    }
}
