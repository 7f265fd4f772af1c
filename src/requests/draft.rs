//! A policy in the making: what single settings say before they are put together.

use std::num::NonZeroU32;
use std::time::Duration;

use slipway_router::policy::Policy;
use slipway_router::policy::headers::Hsts;

use crate::requests::values::ValueError;

/// All that is set about an app's requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// What stands in the policy as it is set.
    pub policy: Policy,
    /// Whether requests in clear text are sent to HTTPS.
    pub https_redirect: HttpsRedirect,
    /// Whether and how browsers are told to use HTTPS.
    pub hsts: HstsWish,
    /// How many requests of an address may come at once; as many as in the limit's time if unset.
    pub rate_burst: Option<NonZeroU32>,
}

/// Whether requests in clear text are sent to HTTPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpsRedirect {
    /// If the app has a certificate of its own.
    #[default]
    Auto,
    /// In any case.
    On,
    /// Never.
    Off,
}

/// What is set about `Strict-Transport-Security`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HstsWish {
    /// Whether it is sent.
    pub on: bool,
    /// How.
    pub header: Hsts,
}

impl Default for HstsWish {
    fn default() -> Self {
        // Thirty days: a mistake is over then. Lists of browsers want a year.
        let max_age = Duration::from_secs(30 * 86_400);
        Self { on: false, header: Hsts { max_age, include_subdomains: false, preload: false } }
    }
}

impl HttpsRedirect {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "auto" => Ok(Self::Auto),
            "true" | "on" => Ok(Self::On),
            "false" | "off" => Ok(Self::Off),
            _ => Err(ValueError::new(text, "true, false, or auto: if the app has a certificate of its own")),
        }
    }

    /// Writes it as it is read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "true",
            Self::Off => "false",
        }
    }
}
