//! The router's own health, for a load balancer in front of it: on any host, and before every other rule, so that no
//! redirect, password or missing app makes a router that works look broken.

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::body::ResponseBody;
use crate::refusal::Refusal;
use crate::worker::Worker;

/// The path. No app sees requests for it.
const PATH: &str = "/.well-known/slipway/health";

/// Whether a request asks for it. `Host` may be missing, as it is in the checks of some balancers; a body may not be
/// there, since nobody would read it.
pub(crate) fn is_asked(request: &Parts) -> bool {
    request.uri.path() == PATH
        && matches!(request.method, Method::GET | Method::HEAD)
        && !request.headers.contains_key(header::CONTENT_LENGTH)
        && !request.headers.contains_key(header::TRANSFER_ENCODING)
}

/// What is answered: a router that knows no routes yet should get no requests. One that stops takes no connections.
pub(crate) fn refusal(worker: &Worker) -> Refusal {
    Refusal::Health { ready: !worker.table.load().is_first() }
}

/// The answer.
pub(crate) fn answer(ready: bool) -> Response<ResponseBody> {
    let (status, text) =
        if ready { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") };
    let mut response = Response::new(ResponseBody::page(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
