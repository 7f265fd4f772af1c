//! Sends a request to where it should have gone, in one hop: scheme, host and path together.
//!
//! A `Location` is always a whole URL, made of a scheme and a host that were checked, so that no path can be read as
//! another host. What would lead to where the request is already is not followed: that would be a circle.

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};

use crate::gate::Arriving;
use crate::host::RequestHost;
use crate::host_pattern::HostPattern;
use crate::origin::asked_host;
use crate::refusal::Refusal;

/// Answered by whoever proves that a host is his, in clear text and on every host (RFC 8555, section 8.3).
const ACME: &str = "/.well-known/acme-challenge/";

/// Lets a request pass that is where it belongs.
pub(super) fn check(arriving: Arriving<'_>) -> Result<(), Refusal> {
    match redirect(arriving) {
        Some(redirect) => Err(redirect),
        None => Ok(()),
    }
}

fn redirect(arriving: Arriving<'_>) -> Option<Refusal> {
    let Arriving { route, request, host, origin } = arriving;
    let redirects = &route.policy.redirects;
    let path_and_query = request.uri.path_and_query().map_or("/", |target| target.as_str());
    if path_and_query.starts_with(ACME) || path_and_query == "*" {
        return None;
    }
    let canonical = redirects.canonical_host.as_ref().filter(|host| host.wildcard_suffix().is_none());
    let wanted_port = match origin.is_encrypted() {
        true => None,
        false => redirects.https_of(canonical.map_or(host, HostPattern::as_str)),
    };
    let rule = redirects.rules.iter().find(|rule| rule.fits(request.uri.path()));
    let is_canonical = canonical.is_none_or(|canonical| canonical.as_str() == host);
    if is_canonical && wanted_port.is_none() && rule.is_none() && origin.told.is_none() {
        // Nearly every request, which costs nothing but these tests.
        return None;
    }
    let asked = asked_host(origin, request).unwrap_or_else(|| host.to_owned());
    let asked = RequestHost::parse(asked.as_bytes())?;
    let (scheme, port) = match wanted_port {
        Some(port) => ("https", Some(port)),
        None => (origin.scheme, asked.port),
    };
    let host = canonical.map_or(&*asked.name, |host| host.as_str());
    let target = rule.and_then(|rule| rule.target(path_and_query));
    let moved = scheme != origin.scheme || host != asked.name;
    if !moved && target.is_none() {
        return None;
    }
    let here = url(origin.scheme, &asked.name, asked.port, path_and_query);
    let target = target.as_deref().unwrap_or(path_and_query);
    let location = if is_url(target) { target.to_owned() } else { url(scheme, host, port, target) };
    if location == here {
        return None;
    }
    let status = match rule {
        Some(rule) => StatusCode::from_u16(rule.status()).ok()?,
        // Only these two may be asked for again with nothing lost; of others, 308 keeps method and body.
        None if matches!(request.method, Method::GET | Method::HEAD) => StatusCode::MOVED_PERMANENTLY,
        None => StatusCode::PERMANENT_REDIRECT,
    };
    // A target that no header can hold was refused long before; if not, the app may deal with it.
    let location = HeaderValue::from_str(&location).ok()?;
    Some(Refusal::Redirect { status, location })
}

fn is_url(target: &str) -> bool {
    !target.starts_with(['/', '?'])
}

fn url(scheme: &str, host: &str, port: Option<u16>, path_and_query: &str) -> String {
    let default = if scheme == "https" { 443 } else { 80 };
    // `http://host?query` has no path; everybody else sees one.
    let slash = if path_and_query.starts_with('/') { "" } else { "/" };
    match port.filter(|port| *port != default) {
        Some(port) => format!("{scheme}://{host}:{port}{slash}{path_and_query}"),
        None => format!("{scheme}://{host}{slash}{path_and_query}"),
    }
}
