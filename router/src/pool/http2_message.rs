//! A request in the form of HTTP/2, and back if it was not sent. Pure.

use hyper::header::{self, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Request, Uri, Version};

/// Makes a request that was prepared for HTTP/1.1 one of HTTP/2: `Host` becomes `:authority`, which servers of gRPC
/// insist on, and what concerns a connection of HTTP/1.1 goes. `TE: trailers` stays, since gRPC asks for it.
pub(crate) fn as_http2<B>(request: &mut Request<B>) {
    request.extensions_mut().clear();
    let headers = request.headers_mut();
    // An expectation was met by the router; 100 could not be heard on the way back.
    for name in [header::CONNECTION, header::UPGRADE, header::TRANSFER_ENCODING, header::EXPECT] {
        headers.remove(name);
    }
    let Some(host) = headers.get(header::HOST).cloned() else { return };
    let target = request.uri().path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(host.as_bytes())
        .path_and_query(target.unwrap_or_else(|| PathAndQuery::from_static("/")))
        .build();
    // The host was checked. If it were no authority, it would go out as `Host`, which is allowed as well.
    if let Ok(uri) = uri {
        request.headers_mut().remove(header::HOST);
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
    }
}

/// Undoes it, for another connection.
pub(crate) fn as_http1<B>(request: &mut Request<B>) {
    *request.version_mut() = Version::HTTP_11;
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(target) = request.uri().path_and_query() {
        *request.uri_mut() = Uri::from(target.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut request = Request::builder()
            .uri("/a?b=c")
            .header("host", "Blog.test:8080")
            .header("connection", "te")
            .header("te", "trailers")
            .header("transfer-encoding", "chunked")
            .header("expect", "100-continue")
            .header("x", "y")
            .body(())
            .unwrap();
        as_http2(&mut request);
        assert_eq!(request.uri(), "http://Blog.test:8080/a?b=c");
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.headers().len(), 2);
        assert_eq!(
            (&request.headers()["te"], &request.headers()["x"]),
            (&"trailers".parse().unwrap(), &"y".parse().unwrap())
        );
        as_http1(&mut request);
        assert_eq!(request.uri(), "/a?b=c");
        assert_eq!(request.headers()["host"], "Blog.test:8080");
        assert_eq!(request.version(), Version::HTTP_11);
    }
}
