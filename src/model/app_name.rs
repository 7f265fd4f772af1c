//! The name of an app: also its repository's directory, its containers' prefix and its default host name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A valid app name: `^[a-z0-9][a-z0-9.-]*$`, at most 63 characters.
///
/// The length bound is that of one DNS label (RFC 1035, section 2.3.4), since `NAME.DOMAIN` has to be a host name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

/// Why a text is not an app name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AppNameError {
    /// The text has characters that no app name has.
    #[error(
        "App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens"
    )]
    Characters,
    /// The text is longer than a DNS label.
    #[error("App name must not be longer than 63 characters")]
    TooLong,
}

impl AppName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppName {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut characters = text.chars();
        let starts_well = characters.next().is_some_and(is_lower_alphanumeric);
        let goes_on_well = characters.all(|c| is_lower_alphanumeric(c) || c == '.' || c == '-');
        // `..` would be harmless behind a prefix, but a name is also one path component.
        if !starts_well || !goes_on_well || text.contains("..") || text.ends_with(['.', '-']) {
            return Err(AppNameError::Characters);
        }
        if text.len() > 63 {
            return Err(AppNameError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for AppName {
    type Error = AppNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_lower_alphanumeric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_dokku_takes_are_taken() {
        for name in ["blog", "blog-staging", "a", "0", "node-js.app", "my.example.com"] {
            assert!(name.parse::<AppName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_are_paths_options_or_noise_are_refused() {
        for name in ["", "-a", ".a", "a/b", "../a", "A", "a_b", "a b", "a..b", "a.", "a-", "é", "a\n"] {
            assert_eq!(name.parse::<AppName>(), Err(AppNameError::Characters), "{name}");
        }
        assert_eq!("a".repeat(64).parse::<AppName>(), Err(AppNameError::TooLong));
    }
}
