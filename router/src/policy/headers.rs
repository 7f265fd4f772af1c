//! Headers of an app's requests and answers.

use std::time::Duration;

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
    /// Whether request headers with an underscore in their name reach the app. Many app servers cannot tell
    /// `X_Real_Ip` from `X-Real-Ip`.
    pub underscores: bool,
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
