//! A page for everybody while an app is in maintenance, except for those who look after it.
//!
//! Who brings the secret in the address gets a cookie instead, by a redirect to the address without it, so that the
//! secret is seen by no app and stands in no referrer. The cookie's value is made of the secret and the app's name:
//! it ends with the secret, and opens no other app.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderValue};

use crate::fault::Fault;
use crate::gate::Arriving;
use crate::gate::addresses::contains;
use crate::policy::maintenance::Maintenance;
use crate::refusal::{Refusal, Told};

/// The query's parameter and the cookie.
const NAME: &str = "maintenance-bypass";
/// A day, in seconds.
const COOKIE_LIFE: u32 = 86_400;

/// Lets the request pass, with the name of the cookie that let it.
pub(super) fn check(arriving: Arriving<'_>) -> Result<Option<&'static str>, Refusal> {
    let Some(maintenance) = &arriving.route.policy.maintenance else { return Ok(None) };
    if let Some(secret) = maintenance.bypass.as_deref().filter(|secret| !secret.is_empty()) {
        let token = token(secret, &arriving.route.app);
        if cookies(&arriving.request.headers, NAME).any(|value| is_same(value, token.as_bytes())) {
            return Ok(Some(NAME));
        }
        bypass(arriving, secret, &token)?;
    }
    if contains(&maintenance.allow, arriving.origin.address) { Ok(None) } else { Err(page(maintenance)) }
}

fn page(maintenance: &Maintenance) -> Refusal {
    let seconds = HeaderValue::from(maintenance.retry_after.as_secs());
    let headers = vec![(header::RETRY_AFTER, seconds)];
    Refusal::Told(Box::new(Told { fault: Fault::Maintenance, headers, page: maintenance.page.clone() }))
}

/// Exchanges the secret for the cookie, if the request has it.
fn bypass(arriving: Arriving<'_>, secret: &str, token: &str) -> Result<(), Refusal> {
    let Parameter { value, rest } = parameter(arriving.request.uri.query().unwrap_or_default());
    let is_read = matches!(arriving.request.method, Method::GET | Method::HEAD);
    if !is_read || !value.is_some_and(|value| is_same(value.as_bytes(), secret.as_bytes())) {
        return Ok(());
    }
    // Two slashes at its beginning would make a host of the path's first part, and browsers take a backslash for one.
    let path = arriving.request.uri.path().trim_start_matches(['/', '\\']);
    let location = if rest.is_empty() { format!("/{path}") } else { format!("/{path}?{rest}") };
    let secure = if arriving.origin.is_encrypted() { "; Secure" } else { "" };
    let cookie = format!("{NAME}={token}; Path=/; Max-Age={COOKIE_LIFE}; HttpOnly; SameSite=Lax{secure}");
    match (HeaderValue::try_from(location), HeaderValue::try_from(cookie)) {
        (Ok(location), Ok(cookie)) => Err(Refusal::Bypass { location, cookie }),
        // What came in a target may stand in a header, so that this does not happen.
        _ => Ok(()),
    }
}

/// The parameter's value in a query, and the query without it.
struct Parameter<'a> {
    value: Option<&'a str>,
    rest: String,
}

fn parameter(query: &str) -> Parameter<'_> {
    let is_ours = |pair: &&str| pair.strip_prefix(NAME).is_some_and(|value| value.starts_with('='));
    let value = query.split('&').find(is_ours).and_then(|pair| pair.split_once('=')).map(|(_, value)| value);
    let rest: Vec<_> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    Parameter { value, rest: rest.join("&") }
}

fn token(secret: &str, app: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, app.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_same(found: &[u8], wanted: &[u8]) -> bool {
    verify_slices_are_equal(found, wanted).is_ok()
}

/// The values of the cookies with a name. Those beside them may be any bytes, as scripts make them.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| value_of(pair, name))
}

/// What a cookie has behind its name, if that is its name.
fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Takes a cookie out of a request.
pub(super) fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let lines: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| {
            let pairs =
                line.as_bytes().split(|byte| *byte == b';').filter(|pair| value_of(pair, name).is_none());
            let others: Vec<_> = pairs.map(<[u8]>::trim_ascii).collect();
            HeaderValue::from_bytes(&others.join(&b"; "[..])).ok().filter(|line| !line.is_empty())
        })
        .collect();
    headers.remove(header::COOKIE);
    for line in lines {
        headers.append(header::COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_found_and_taken_out() {
        for (query, value, rest) in [
            ("", None, ""),
            ("a=b&c", None, "a=b&c"),
            ("maintenance-bypass=x", Some("x"), ""),
            ("a=b&maintenance-bypass=x&c=%20", Some("x"), "a=b&c=%20"),
            ("maintenance-bypassed=x", None, "maintenance-bypassed=x"),
            ("maintenance-bypass", None, "maintenance-bypass"),
        ] {
            let found = parameter(query);
            assert_eq!((found.value, found.rest.as_str()), (value, rest), "{query}");
        }
    }

    #[test]
    fn a_token_is_of_one_secret_and_one_app() {
        assert_eq!(token("secret", "blog"), token("secret", "blog"));
        assert_ne!(token("secret", "blog"), token("secret", "shop"));
        assert_ne!(token("secret", "blog"), token("Secret", "blog"));
    }

    #[test]
    fn only_the_one_cookie_is_taken_out() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; maintenance-bypass=x; c=d=e"));
        headers.append(header::COOKIE, HeaderValue::from_static("maintenance-bypass=y"));
        let other = HeaderValue::from_bytes("é=ü; maintenance-bypass=z".as_bytes()).unwrap();
        headers.append(header::COOKIE, other);
        assert_eq!(cookies(&headers, NAME).collect::<Vec<_>>(), [b"x", b"y", b"z"]);
        remove_cookie(&mut headers, NAME);
        let left: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(left, [b"a=b; c=d=e", "é=ü".as_bytes()]);
    }
}
