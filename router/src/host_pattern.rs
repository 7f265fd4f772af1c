//! The hosts of a route: one name, every name one label below another, or an address.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::Deserialize;

/// A lower-cased host without port and trailing dot: `blog.example.com`, `*.example.com`, `192.0.2.1`, `[2001:db8::1]`.
///
/// Names beyond ASCII stand in their encoded form (`xn--…`, RFC 5891), as clients send them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern(String);

/// A text that is no host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a host name")]
pub struct HostPatternError(String);

impl HostPattern {
    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a host, or a wildcard for it. The host has to be lower-case and without port and final dot.
    pub(crate) fn covers(&self, host: &str) -> bool {
        match self.wildcard_suffix() {
            Some(suffix) => {
                host.split_once('.').is_some_and(|(label, above)| !label.is_empty() && above == suffix)
            }
            None => self.0 == host,
        }
    }

    /// What follows a wildcard's `*.`.
    pub(crate) fn wildcard_suffix(&self) -> Option<&str> {
        self.0.strip_prefix("*.")
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || HostPatternError(text.to_owned());
        if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            let address: Ipv6Addr = literal.parse().map_err(|_| error())?;
            return Ok(Self(format!("[{address}]")));
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels = lower.strip_prefix("*.").unwrap_or(&lower);
        let valid = !labels.is_empty() && lower.len() <= 253 && labels.split('.').all(is_label);
        if valid { Ok(Self(lower)) } else { Err(error()) }
    }
}

/// Letters, digits, `-` and `_`, at most 63 characters (RFC 1035, section 2.3.4).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl TryFrom<String> for HostPattern {
    type Error = HostPatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_trailing_dot_and_spelling_do_not_matter() {
        let text = |text: &str| text.parse::<HostPattern>().unwrap().to_string();
        assert_eq!(text("Blog.Example.COM."), "blog.example.com");
        assert_eq!(text("*.Example.com"), "*.example.com");
        assert_eq!(text("[0:0:0:0:0:0:0:1]"), "[::1]");
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let covers = |pattern: &str, host: &str| pattern.parse::<HostPattern>().unwrap().covers(host);
        assert!(covers("a.x", "a.x") && covers("*.x", "a.x"));
        assert!(
            !covers("a.x", "b.a.x") && !covers("*.x", "b.a.x") && !covers("*.x", "x") && !covers("*.x", ".x")
        );
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "", ".", "*", "a..b", "-a.b", "a b", "a/b", "http://a", "*.*.a", "a.*.b", "a:80", "[a]", "::1",
            "é",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
