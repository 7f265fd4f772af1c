//! Headers, and where requests are sent instead.

use slipway_router::host_pattern::HostPattern;
use slipway_router::policy::headers::Traces;

use crate::model::hostname::Hostname;
use crate::requests::catalogue::{Setting, put};
use crate::requests::draft::HttpsRedirect;
use crate::requests::values::{ValueError, boolean, duration, show_duration, show_option};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "https-redirect",
        about: "sends requests in clear text to HTTPS; `auto`: if the app has a certificate of its own",
        example: "true",
        apply: |draft, text| put(&mut draft.https_redirect, HttpsRedirect::parse(text)),
        show: |draft| draft.https_redirect.as_str().to_owned(),
    },
    Setting {
        key: "canonical-host",
        about: "the one host name that requests for all others of the app are sent to",
        example: "www.example.com",
        apply: |draft, text| put(&mut draft.policy.redirects.canonical_host, host(text)),
        show: |draft| show_option(draft.policy.redirects.canonical_host.as_ref()),
    },
    Setting {
        key: "hsts",
        about: "tells browsers to use HTTPS only (RFC 6797), on answers over HTTPS",
        example: "true",
        apply: |draft, text| put(&mut draft.hsts.on, boolean(text)),
        show: |draft| draft.hsts.on.to_string(),
    },
    Setting {
        key: "hsts-max-age",
        about: "for how long",
        example: "2d",
        apply: |draft, text| put(&mut draft.hsts.header.max_age, max_age(text)),
        show: |draft| show_duration(draft.hsts.header.max_age),
    },
    Setting {
        key: "hsts-include-subdomains",
        about: "for the hosts below it as well",
        example: "true",
        apply: |draft, text| put(&mut draft.hsts.header.include_subdomains, boolean(text)),
        show: |draft| draft.hsts.header.include_subdomains.to_string(),
    },
    Setting {
        key: "hsts-preload",
        about: "asks for a place in the lists that browsers come with",
        example: "true",
        apply: |draft, text| put(&mut draft.hsts.header.preload, boolean(text)),
        show: |draft| draft.hsts.header.preload.to_string(),
    },
    Setting {
        key: "preserve-header-case",
        about: "keeps the case of header names, for old clients and apps",
        example: "true",
        apply: |draft, text| put(&mut draft.policy.headers.preserve_case, boolean(text)),
        show: |draft| draft.policy.headers.preserve_case.to_string(),
    },
    Setting {
        key: "begin-traces",
        about: "gives requests that belong to no trace a `traceparent` (W3C Trace Context)",
        example: "false",
        apply: |draft, text| put(&mut draft.policy.headers.traces, traces(text)),
        show: |draft| (draft.policy.headers.traces == Traces::Begin).to_string(),
    },
    Setting {
        key: "underscores-in-headers",
        about: "lets headers with an underscore in their name reach the app",
        example: "true",
        apply: |draft, text| put(&mut draft.policy.headers.underscores, boolean(text)),
        show: |draft| draft.policy.headers.underscores.to_string(),
    },
];

fn traces(text: &str) -> Result<Traces, ValueError> {
    Ok(if boolean(text)? { Traces::Begin } else { Traces::Continue })
}

fn host(text: &str) -> Result<Option<HostPattern>, ValueError> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = || ValueError::new(text, "a host name: write for example www.example.com");
    // Names beyond ASCII are encoded as those of domains are.
    let name: Hostname = text.parse().map_err(|_| wrong())?;
    let host: HostPattern = name.as_str().parse().map_err(|_| wrong())?;
    // A number is a host name by its characters, and never one that somebody means.
    let named = !host.as_str().starts_with("*.") && host.as_str().bytes().any(|byte| !byte.is_ascii_digit());
    if named { Ok(Some(host)) } else { Err(wrong()) }
}

/// Longer than other times: lists of browsers want a year.
fn max_age(text: &str) -> Result<std::time::Duration, ValueError> {
    let wrong = || ValueError::new(text, "a time from 0 to 730d: write for example 1d, 365d or 31536000");
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let seconds = days.and_then(|days| days.checked_mul(86_400)).or_else(|| text.parse().ok());
    let time = seconds.map(std::time::Duration::from_secs).or_else(|| duration(text).ok());
    time.filter(|time| time.as_secs() <= 730 * 86_400).ok_or_else(wrong)
}
