//! Headers of an app's requests and answers.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use serde::Deserialize;

use crate::policy::headers::name_and_value::NameAndValue;

pub mod name_and_value;

/// What is done to headers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Headers {
    /// Headers of every answer, in place of the app's own of the same name.
    pub response: Vec<NameAndValue>,
    /// `Strict-Transport-Security`, on answers over HTTPS only (RFC 6797, section 7.2).
    pub hsts: Option<Hsts>,
    /// Whether names go out in the case in which they came in, for clients and apps that care.
    pub preserve_case: bool,
    /// Whether requests that belong to no trace begin one.
    pub traces: Traces,
    /// Whether request headers with an underscore in their name reach the app. Many app servers cannot tell
    /// `X_Real_Ip` from `X-Real-Ip`.
    pub underscores: bool,
}

/// What is done about traces (W3C Trace Context).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traces {
    /// A request without a valid `traceparent` gets a new one.
    #[default]
    Begin,
    /// A valid one is passed on, and no other.
    Continue,
}

/// A promise that the host will be reachable by HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hsts {
    /// For how long.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub max_age: Duration,
    /// For the hosts below it as well.
    #[serde(default)]
    pub include_subdomains: bool,
    /// For lists that browsers come with.
    #[serde(default)]
    pub preload: bool,
}

impl Hsts {
    /// The header's value (RFC 6797, section 6.1).
    pub(crate) fn value(self) -> HeaderValue {
        let mut text = format!("max-age={}", self.max_age.as_secs());
        if self.include_subdomains {
            text.push_str("; includeSubDomains");
        }
        if self.preload {
            text.push_str("; preload");
        }
        // Digits and words are a valid value; the fallback takes the promise back.
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("max-age=0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsts_is_written_as_browsers_read_it() {
        let hsts = Hsts { max_age: Duration::from_secs(300), include_subdomains: false, preload: false };
        assert_eq!(hsts.value(), "max-age=300");
        let hsts = Hsts { include_subdomains: true, preload: true, ..hsts };
        assert_eq!(hsts.value(), "max-age=300; includeSubDomains; preload");
    }
}
