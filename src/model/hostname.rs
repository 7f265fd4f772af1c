//! A host name that an app answers on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A lower-cased DNS name without a trailing dot, or a wildcard for one label (`*.example.com`).
///
/// Labels are letters, digits, `-` and `_`, at most 63 characters, 253 in all (RFC 1035, section 2.3.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

/// A text that is not a host name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is invalid. exiting...")]
pub struct HostnameError(String);

impl Hostname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a host, in lower case and without a trailing dot, is this name or one that it stands for.
    pub fn covers(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            Some(suffix) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix)
            }
            None => self.0 == host,
        }
    }

    /// Whether the name stands for every host one label below it.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }
}

impl FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels = lower.strip_prefix("*.").unwrap_or(&lower);
        let valid = !labels.is_empty() && lower.len() <= 253 && labels.split('.').all(is_label);
        if valid { Ok(Self(lower)) } else { Err(HostnameError(text.to_owned())) }
    }
}

impl TryFrom<String> for Hostname {
    type Error = HostnameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Hostname> for String {
    fn from(name: Hostname) -> Self {
        name.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_trailing_dot_do_not_matter() {
        assert_eq!("Blog.Example.COM.".parse::<Hostname>().unwrap().as_str(), "blog.example.com");
        assert!("*.example.com".parse::<Hostname>().unwrap().is_wildcard());
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let covers = |name: &str, host| name.parse::<Hostname>().unwrap().covers(host);
        assert!(covers("a.x", "a.x") && covers("*.x", "a.x"));
        assert!(
            !covers("a.x", "b.x") && !covers("*.x", "x") && !covers("*.x", "a.b.x") && !covers("*.x", ".x")
        );
    }

    #[test]
    fn what_is_not_a_host_name_is_refused() {
        for text in ["", ".", "*", "a..b", "-a.b", "a b", "a/b", "http://a", "*.*.a", "a.*.b", "a:80"] {
            assert!(text.parse::<Hostname>().is_err(), "{text}");
        }
    }
}
