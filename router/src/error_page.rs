//! The page of a fault: HTML, or JSON for those who ask for it. The router's own names no app and shows nothing of
//! one; an app may have pages of its own (HTML) for what happens to its requests.

use std::collections::HashMap;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::fault::Fault;
use crate::origin::Origin;
use crate::policy::ANY_STATUS;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::response_headers;

/// The header that carries a fault's code.
pub(crate) const X_ROUTER_ERROR: HeaderName = HeaderName::from_static("x-router-error");

/// Whom a page is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    /// The form that the client wants.
    pub(crate) accept: Accept,
    /// The request's id.
    pub(crate) request_id: &'a HeaderValue,
    /// What the app has set, where the request got as far as to an app.
    pub(crate) site: Option<(&'a Policy, Origin)>,
}

/// Makes the answer to a request that the router answers itself.
pub(crate) fn answer(refusal: &Refusal, reader: Reader<'_>) -> Response<ResponseBody> {
    let mut response = match refusal {
        Refusal::Fault(fault) => fault_page(*fault, None, reader),
        Refusal::Told(told) => {
            let mut response = fault_page(told.fault, told.page.as_ref(), reader);
            response.headers_mut().extend(told.headers.iter().cloned());
            response
        }
        Refusal::Redirect { status, location } => redirect(*status, location),
        Refusal::Bypass { location, cookie } => {
            let mut response = redirect(StatusCode::FOUND, location);
            response.headers_mut().insert(header::SET_COOKIE, cookie.clone());
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Refusal::Challenge(answer) => {
            let mut response = Response::new(ResponseBody::page(answer.clone()));
            let content_type = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            response
        }
        Refusal::Health { ready } => crate::health_check::answer(*ready),
    };
    if let Some((policy, origin)) = reader.site {
        response_headers::apply_to_own(policy, origin, response.headers_mut());
    }
    response.headers_mut().insert(crate::request_id::X_REQUEST_ID, reader.request_id.clone());
    response
}

fn redirect(status: StatusCode, location: &HeaderValue) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location.clone());
    response
}

fn fault_page(fault: Fault, page: Option<&Bytes>, reader: Reader<'_>) -> Response<ResponseBody> {
    let status = fault.status();
    let id = reader.request_id.to_str().unwrap_or_default();
    let own = page.or_else(|| own_page(&reader.site?.0.error_pages, status));
    let (page, content_type) = match (reader.accept, own) {
        (Accept::Json, _) => (json(fault, id).into_bytes(), "application/json"),
        (Accept::Html, Some(page)) => (filled(page, fault, id), "text/html; charset=utf-8"),
        (Accept::Html, None) => (html(fault, status, id).into_bytes(), "text/html; charset=utf-8"),
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

/// A whole message of HTTP/1.1 with a fault's page, for where nobody else writes one. It ends its connection.
pub(crate) fn message(fault: Fault, request_id: &HeaderValue, date: Option<&str>) -> Bytes {
    let status = fault.status();
    let id = request_id.to_str().unwrap_or_default();
    let page = html(fault, status, id);
    let date = date.map_or_else(String::new, |line| format!("{line}\r\n"));
    Bytes::from(format!(
        "HTTP/1.1 {number} {reason}\r\ncontent-type: text/html; charset=utf-8\r\ncache-control: no-store\r\n\
         x-router-error: {code}\r\nx-request-id: {id}\r\nconnection: close\r\n{date}content-length: {length}\r\n\
         \r\n{page}",
        number = status.as_u16(),
        reason = status.canonical_reason().unwrap_or("Error"),
        code = fault.code(),
        length = page.len(),
    ))
}

/// The app's page for a status, or its page for all.
fn own_page(pages: &HashMap<u16, Bytes>, status: StatusCode) -> Option<&Bytes> {
    pages.get(&status.as_u16()).or_else(|| pages.get(&ANY_STATUS))
}

/// An app's page with what is known put into its places.
///
/// What is put in has no character that means anything in HTML: codes and ids have none by construction, and what
/// the descriptions have of them is written otherwise.
fn filled(page: &[u8], fault: Fault, request_id: &str) -> Vec<u8> {
    let status = fault.status();
    let message = escaped(fault.description());
    let places: [(&[u8], &str); 4] = [
        (b"{{code}}", fault.code()),
        (b"{{status}}", status.as_str()),
        (b"{{message}}", &message),
        (b"{{request_id}}", request_id),
    ];
    let mut filled = Vec::with_capacity(page.len() + 64);
    let mut rest = page;
    while let Some(start) = memchr::memmem::find(rest, b"{{") {
        let (before, after) = rest.split_at(start);
        filled.extend_from_slice(before);
        let place = places.iter().find_map(|(name, text)| Some((after.strip_prefix(*name)?, text)));
        match place {
            Some((after, text)) => {
                filled.extend_from_slice(text.as_bytes());
                rest = after;
            }
            None => {
                filled.extend_from_slice(b"{{");
                rest = after.get(2..).unwrap_or_default();
            }
        }
    }
    filled.extend_from_slice(rest);
    filled
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
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
    fn an_apps_page_has_its_places_filled() {
        let page = b"{{ {{code}}{{status}} <p>{{message}}</p> {{request_id}} {{other}} {{code}";
        let filled = String::from_utf8(filled(page, Fault::BodyTooLarge, "0a1b")).unwrap();
        let message = "The request&#39;s body is too large";
        assert_eq!(filled, format!("{{{{ body-too-large413 <p>{message}</p> 0a1b {{{{other}}}} {{{{code}}"));
    }

    #[test]
    fn the_page_of_a_status_wins_over_that_of_all() {
        let pages = HashMap::from([(ANY_STATUS, Bytes::from("any")), (502, Bytes::from("bad gateway"))]);
        assert_eq!(own_page(&pages, StatusCode::BAD_GATEWAY).unwrap(), "bad gateway");
        assert_eq!(own_page(&pages, StatusCode::NOT_FOUND).unwrap(), "any");
    }

    #[test]
    fn the_html_page_says_what_happened() {
        insta::assert_snapshot!(html(Fault::Starting, Fault::Starting.status(), "0a1b"));
    }
}
