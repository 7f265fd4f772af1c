//! The page of a fault: HTML, or JSON for those who ask for it. It names no app and shows nothing of one.

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::fault::Fault;
use crate::refusal::Refusal;

/// The header that carries a fault's code.
pub(crate) const X_ROUTER_ERROR: HeaderName = HeaderName::from_static("x-router-error");

/// Makes the answer to a request that the router answers itself.
pub(crate) fn answer(refusal: &Refusal, accept: Accept, request_id: &HeaderValue) -> Response<ResponseBody> {
    let mut response = match refusal {
        Refusal::Fault(fault) => fault_page(*fault, accept, request_id),
        Refusal::Redirect { status, location } => {
            let mut response = Response::new(ResponseBody::empty());
            *response.status_mut() = *status;
            response.headers_mut().insert(header::LOCATION, location.clone());
            response
        }
        Refusal::Challenge(answer) => {
            let mut response = Response::new(ResponseBody::page(answer.clone()));
            let content_type = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            response
        }
    };
    response.headers_mut().insert(crate::forward_headers::X_REQUEST_ID, request_id.clone());
    response
}

fn fault_page(fault: Fault, accept: Accept, request_id: &HeaderValue) -> Response<ResponseBody> {
    let status = fault.status();
    let id = request_id.to_str().unwrap_or_default();
    let (page, content_type) = match accept {
        Accept::Json => (json(fault, id), "application/json"),
        Accept::Html => (html(fault, status, id), "text/html; charset=utf-8"),
    };
    let mut response = Response::new(ResponseBody::page(Bytes::from(page)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ROUTER_ERROR, HeaderValue::from_static(fault.code()));
    if let Some(seconds) = fault.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    if fault == Fault::MethodNotAllowed {
        let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.insert(header::ALLOW, allowed);
    }
    if !fault.keeps_connection() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The form of page that a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// A page for a person.
    Html,
    /// An object for a program.
    Json,
}

impl Accept {
    /// Reads it from a request's `Accept`. Whoever names JSON and not HTML gets JSON.
    pub(crate) fn of(accept: Option<&HeaderValue>) -> Self {
        let value = accept.map_or(&b""[..], |value| value.as_bytes());
        let json = contains(value, b"application/json") || contains(value, b"+json");
        if json && !contains(value, b"text/html") { Self::Json } else { Self::Html }
    }
}

fn contains(value: &[u8], needle: &[u8]) -> bool {
    value.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

/// The request id is the only text that comes from outside, and it has letters, digits and hyphens only.
fn html(fault: Fault, status: StatusCode, request_id: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{number} {title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1em}}\
         small{{color:#777}}</style>\n</head>\n<body>\n<h1>{number} {title}</h1>\n<p>{description}.</p>\n\
         <p><small>Code {code} · request {request_id}</small></p>\n</body>\n</html>\n",
        number = status.as_u16(),
        description = fault.description(),
        code = fault.code(),
    )
}

fn json(fault: Fault, request_id: &str) -> String {
    format!(
        "{{\"error\":\"{}\",\"status\":{},\"message\":\"{}\",\"request_id\":\"{request_id}\"}}\n",
        fault.code(),
        fault.status().as_u16(),
        fault.description(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> Accept {
        Accept::of(Some(&HeaderValue::from_static(value)))
    }

    #[test]
    fn only_who_names_json_and_not_html_gets_json() {
        assert_eq!(Accept::of(None), Accept::Html);
        assert_eq!(accept("*/*"), Accept::Html);
        assert_eq!(accept("text/html,application/json;q=0.9"), Accept::Html);
        assert_eq!(accept("application/json, text/plain, */*"), Accept::Json);
        assert_eq!(accept("application/vnd.api+json"), Accept::Json);
    }

    #[test]
    fn the_json_page_is_json() {
        let page: serde_json::Value = serde_json::from_str(&json(Fault::Refused, "abc")).unwrap();
        assert_eq!(page["error"], "H21");
        assert_eq!(page["status"], 502);
        assert_eq!(page["request_id"], "abc");
    }

    #[test]
    fn the_html_page_says_what_happened() {
        insta::assert_snapshot!(html(Fault::Starting, Fault::Starting.status(), "0a1b"));
    }
}
