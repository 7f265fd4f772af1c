//! From what is set to the router's policy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use slipway_router::policy::access::User;
use slipway_router::policy::headers::name_and_value::{HeaderError, NameAndValue};
use slipway_router::policy::maintenance::Maintenance;
use slipway_router::policy::{ANY_STATUS, Policy};

use crate::requests::catalogue::{HEADER_PREFIX, settings, stored_name};
use crate::requests::draft::{Draft, HttpsRedirect};
use crate::requests::kept::{
    Closure, ERROR_PAGE, MAINTENANCE, MAINTENANCE_PAGE, PEOPLE, People, REDIRECTS, Redirect,
};

/// The value that takes a header of the app's own away.
pub const NO_HEADER: &str = "-";

/// The form of a password that nobody has.
const NOBODY: &str = "pbkdf2-sha256$1$00000000000000000000000000000000$0000000000000000000000000000000000000000000000000000000000000000";

/// Stored values by their stored names.
pub type Values = BTreeMap<String, String>;

/// What else a policy depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The port of HTTPS, as clients see it, if the app is served there.
    pub https_port: Option<u16>,
    /// Whether the app has a certificate that is meant for it.
    pub has_certificate: bool,
}

/// What holds for an app's requests: its own values, else the global ones, else the defaults.
///
/// A stored value that cannot be read is as if it were not set: it was checked when it was.
pub fn policy_of(own: &Values, global: &Values, situation: Situation) -> Arc<Policy> {
    if own.is_empty() && global.is_empty() && !situation.has_certificate {
        return Arc::default();
    }
    let draft = draft_of(own, global);
    let mut policy = draft.policy;
    policy.redirects.https = situation.https_port.filter(|_| match draft.https_redirect {
        HttpsRedirect::Auto => situation.has_certificate,
        HttpsRedirect::On => true,
        HttpsRedirect::Off => false,
    });
    policy.headers.hsts = draft.hsts.on.then_some(draft.hsts.header);
    if let (Some(rate), Some(burst)) = (&mut policy.access.rate, draft.rate_burst) {
        rate.burst = burst;
    }
    policy.headers.response = response_headers(own, global);
    policy.access.users = users(own);
    let redirects: Vec<Redirect> = read(own, REDIRECTS);
    policy.redirects.rules = redirects.iter().filter_map(|redirect| redirect.rule().ok()).collect();
    policy.maintenance = maintenance(own);
    policy.error_pages = own
        .iter()
        .filter_map(|(name, page)| Some((status_of(name.strip_prefix(ERROR_PAGE)?)?, page_of(page))))
        .collect();
    Arc::new(policy)
}

/// The single settings as they hold.
pub fn draft_of(own: &Values, global: &Values) -> Draft {
    let mut draft = Draft::default();
    for setting in settings() {
        let name = stored_name(setting.key);
        let Some(value) = own.get(&name).or_else(|| global.get(&name)) else { continue };
        if let Err(error) = (setting.apply)(&mut draft, value) {
            tracing::error!(key = setting.key, %error, "a setting of requests cannot be used");
        }
    }
    draft
}

/// A header as it was set: an empty value takes the app's own away.
pub fn response_header(name: &str, value: &str) -> Result<NameAndValue, HeaderError> {
    let value = if value == NO_HEADER { "" } else { value };
    NameAndValue::try_from((name.to_owned(), value.to_owned()))
}

fn response_headers(own: &Values, global: &Values) -> Vec<NameAndValue> {
    let mut all = global.clone();
    all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    let prefix = stored_name(HEADER_PREFIX);
    let headers = all.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
    headers.filter_map(|(name, value)| response_header(name, value).ok()).collect()
}

/// Who has to say a password. Where that is set and cannot be read, it is nobody's: the app is not open then.
fn users(own: &Values) -> Vec<User> {
    let Some(text) = own.get(PEOPLE) else { return Vec::new() };
    let people = serde_json::from_str::<People>(text).inspect_err(|error| {
        tracing::error!(%error, "who may use an app cannot be read");
    });
    let people = people.unwrap_or(People { on: true, people: BTreeMap::new() });
    if !people.on {
        return Vec::new();
    }
    let mut users: Vec<User> = people.people.into_iter().filter_map(user).collect();
    if users.is_empty() {
        users.extend(user((String::new(), NOBODY.to_owned())));
    }
    users
}

fn user((name, hash): (String, String)) -> Option<User> {
    Some(User { name, password_hash: hash.parse().ok()? })
}

fn maintenance(own: &Values) -> Option<Maintenance> {
    let closure: Closure = read(own, MAINTENANCE);
    let default = Maintenance::default();
    closure.on.then(|| Maintenance {
        page: own.get(MAINTENANCE_PAGE).map(|page| page_of(page)),
        retry_after: closure.retry_after.map_or(default.retry_after, Duration::from_secs),
        allow: closure.allow,
        bypass: closure.bypass,
    })
}

/// The status that a page is for: a number as it is written everywhere (not `0502`), or `any`.
pub fn status_of(text: &str) -> Option<u16> {
    if text == "any" {
        return Some(ANY_STATUS);
    }
    let status: u16 = text.parse().ok()?;
    ((400..=599).contains(&status) && status.to_string() == text).then_some(status)
}

fn page_of(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Reads what is kept as JSON; nothing if nothing is.
pub fn read<T: DeserializeOwned + Default>(own: &Values, name: &str) -> T {
    let Some(text) = own.get(name) else { return T::default() };
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::error!(name, %error, "what is kept about an app's requests cannot be read");
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use slipway_router::policy::headers::Hsts;
    use slipway_router::policy::log::LogFormat;
    use slipway_router::policy::redirects::Rule;

    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| (format!("router-{name}"), (*value).to_owned())).collect()
    }

    fn policy(own: &[(&str, &str)], global: &[(&str, &str)]) -> Arc<Policy> {
        policy_of(&values(own), &values(global), Situation { https_port: Some(8443), has_certificate: false })
    }

    #[test]
    fn a_status_has_one_spelling() {
        assert_eq!([status_of("502"), status_of("any")], [Some(502), Some(ANY_STATUS)]);
        for wrong in ["0502", "+502", "200", "600", "", "ANY"] {
            assert_eq!(status_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_set_is_the_router_s_own_default() {
        assert_eq!(*policy(&[], &[]), Policy::default());
        assert_eq!(*policy(&[("unknown", "1")], &[]), Policy::default());
    }

    #[test]
    fn an_app_s_value_wins_over_the_global_one_and_what_cannot_be_read_is_not_set() {
        let global = [("max-body-size", "1m"), ("first-byte-timeout", "20s"), ("access-log", "json")];
        let policy = policy(&[("max-body-size", "2m"), ("retries", "perhaps")], &global);
        assert_eq!(policy.bodies.max_request_bytes, Some(2 << 20));
        assert_eq!(policy.timeouts.first_byte, Duration::from_secs(20));
        assert_eq!(policy.log, LogFormat::Json);
        assert!(policy.balance.retries);
    }

    #[test]
    fn https_is_redirected_to_where_it_is_served() {
        let redirect = |value: &str, has_certificate, https_port| {
            let situation = Situation { https_port, has_certificate };
            policy_of(&values(&[("https-redirect", value)]), &Values::new(), situation).redirects.https
        };
        assert_eq!(redirect("auto", false, Some(443)), None);
        assert_eq!(redirect("auto", true, Some(443)), Some(443));
        assert_eq!(redirect("true", false, Some(8443)), Some(8443));
        assert_eq!(redirect("false", true, Some(443)), None);
        assert_eq!(redirect("true", true, None), None);
        let nothing_set = Situation { https_port: Some(443), has_certificate: true };
        assert_eq!(policy_of(&Values::new(), &Values::new(), nothing_set).redirects.https, Some(443));
    }

    #[test]
    fn hsts_is_sent_only_if_it_is_on() {
        assert_eq!(policy(&[("hsts-max-age", "1d")], &[]).headers.hsts, None);
        let hsts =
            policy(&[("hsts", "true"), ("hsts-max-age", "365d"), ("hsts-preload", "true")], &[]).headers.hsts;
        let max_age = Duration::from_secs(31_536_000);
        assert_eq!(hsts, Some(Hsts { max_age, include_subdomains: false, preload: true }));
    }

    #[test]
    fn a_burst_belongs_to_a_rate() {
        let rate = policy(&[("rate-limit", "10/s"), ("rate-burst", "50")], &[]).access.rate.unwrap();
        assert_eq!((rate.per_hour.get(), rate.burst.get()), (36_000, 50));
        assert_eq!(policy(&[("rate-burst", "50")], &[]).access.rate, None);
    }

    #[test]
    fn headers_are_named_by_their_settings() {
        let policy = policy(
            &[("header:x-frame-options", "DENY"), ("header:server", "-")],
            &[("header:x-frame-options", "SAMEORIGIN"), ("header:x-global", "1")],
        );
        let headers: Vec<_> = policy
            .headers
            .response
            .iter()
            .map(|one| (one.name.as_str(), one.value.to_str().unwrap()))
            .collect();
        assert_eq!(headers, [("server", ""), ("x-frame-options", "DENY"), ("x-global", "1")]);
    }

    #[test]
    fn people_redirects_maintenance_and_pages_are_an_app_s_own() {
        let people = format!(r#"{{"on":true,"people":{{"ann":"{NOBODY}"}}}}"#);
        let people = people.as_str();
        let own = [
            ("people", people),
            ("redirects", r#"[{"from":"/old/*","to":"/new/*","status":301}]"#),
            ("maintenance", r#"{"on":true,"retry_after":60,"allow":["10.0.0.0/8"]}"#),
            ("maintenance-page", "<p>Soon"),
            ("error-page-502", "<p>Oh"),
        ];
        let built = policy(&own, &[]);
        assert_eq!(built.access.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["ann"]);
        assert_eq!(built.redirects.rules, [Rule::new("/old/*", "/new/*", 301).unwrap()]);
        let maintenance = built.maintenance.as_ref().unwrap();
        assert_eq!(
            (maintenance.retry_after, maintenance.page.as_deref()),
            (Duration::from_secs(60), Some(&b"<p>Soon"[..]))
        );
        assert_eq!(built.error_pages.get(&502).map(|page| &page[..]), Some(&b"<p>Oh"[..]));
        let off =
            policy(&[("people", &people.replace("true", "false")), ("maintenance", r#"{"on":false}"#)], &[]);
        assert_eq!(*off, Policy::default());
        let users = |text: &str| policy(&[("people", text)], &[]).access.users.len();
        assert_eq!([users("{"), users(r#"{"on":true,"people":{"ann":"x"}}"#)], [1, 1], "an open app");
        assert_eq!(*policy(&[], &own[..1]), Policy::default(), "global values hold no people");
    }
}
