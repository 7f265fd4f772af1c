//! What is written about each request.

use serde::Deserialize;

/// The form of an app's access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Heroku's.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
    /// Apache's and nginx's.
    Combined,
    /// Nothing is written.
    Off,
}

impl LogFormat {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logfmt => "logfmt",
            Self::Json => "json",
            Self::Combined => "combined",
            Self::Off => "off",
        }
    }
}
