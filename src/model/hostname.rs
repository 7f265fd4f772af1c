//! A host name that an app answers on.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A lower-cased DNS name without a trailing dot, a wildcard for one label (`*.example.com`), or an IPv6 address in
/// brackets, as URLs have it.
///
/// A name beyond ASCII is kept in the form in which DNS and browsers send it (`xn--bcher-kva.example` for
/// `bücher.example`, RFC 5891), so that one name has one spelling. Labels are letters, digits, `-` and `_`, at most 63 characters, 253 in all (RFC 1035, section 2.3.4).
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

    /// Whether it is an IPv6 address: no name, so nothing can stand below it.
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }

    /// The name as people write it, if that is another form.
    pub fn unicode(&self) -> Option<String> {
        if !self.0.split('.').any(|label| label.starts_with("xn--")) {
            return None;
        }
        let (unicode, valid) = idna::domain_to_unicode(self.0.strip_prefix("*.").unwrap_or(&self.0));
        let prefix = if self.is_wildcard() { "*." } else { "" };
        valid.is_ok().then(|| format!("{prefix}{unicode}"))
    }

    /// Both forms, for messages: names that look alike are told apart by the encoded one.
    pub fn in_both_forms(&self) -> String {
        self.unicode().map_or_else(|| self.0.clone(), |unicode| format!("{} ({unicode})", self.0))
    }

    /// The wildcard that stands for this name among others, if one can.
    pub fn wildcard(&self) -> Option<Self> {
        let (label, rest) = self.0.split_once('.').filter(|_| !self.is_literal())?;
        (label != "*").then(|| Self(format!("*.{rest}")))
    }

    /// Whether the name stands for every host one label below it.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }
}

impl FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || HostnameError(text.to_owned());
        if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            let address: Ipv6Addr = literal.parse().map_err(|_| error())?;
            return Ok(Self(format!("[{address}]")));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let (prefix, name) = name.strip_prefix("*.").map_or(("", name), |name| ("*.", name));
        let labels = match name.is_ascii() {
            true => name.to_ascii_lowercase(),
            false => idna::domain_to_ascii(name).map_err(|_| error())?,
        };
        let valid = prefix.len() + labels.len() <= 253 && labels.split('.').all(is_label);
        if valid { Ok(Self(format!("{prefix}{labels}"))) } else { Err(error()) }
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
    fn a_name_has_one_wildcard() {
        let wildcard = |name: &str| name.parse::<Hostname>().unwrap().wildcard().map(String::from);
        assert_eq!(wildcard("a.b.x").as_deref(), Some("*.b.x"));
        assert_eq!([wildcard("x"), wildcard("*.x"), wildcard("[::1]")], [None, None, None]);
    }

    #[test]
    fn a_name_beyond_ascii_has_one_spelling_and_is_shown_in_both() {
        for text in ["bücher.example", "BÜCHER.example.", "bu\u{308}cher.example", "xn--bcher-kva.example"]
        {
            let name: Hostname = text.parse().unwrap();
            assert_eq!(name.as_str(), "xn--bcher-kva.example", "{text}");
            assert_eq!(name.in_both_forms(), "xn--bcher-kva.example (bücher.example)");
        }
        let wildcard: Hostname = "*.bücher.example".parse().unwrap();
        assert_eq!((wildcard.as_str(), wildcard.is_wildcard()), ("*.xn--bcher-kva.example", true));
        assert_eq!(wildcard.unicode().as_deref(), Some("*.bücher.example"));
        assert_eq!("blog.example".parse::<Hostname>().unwrap().unicode(), None);
        for text in
            ["bü cher.example", "bü/cher.example", "..ü", "ü.-a", "a\u{ff0f}b", "é".repeat(64).as_str()]
        {
            assert!(text.parse::<Hostname>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let name: Hostname = "[2001:DB8:0::1]".parse().unwrap();
        assert_eq!((name.as_str(), name.is_literal()), ("[2001:db8::1]", true));
        for text in ["2001:db8::1", "[192.0.2.1]", "[::1", "[::1]:80"] {
            assert!(text.parse::<Hostname>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_host_name_is_refused() {
        for text in ["", ".", "*", "a..b", "-a.b", "a b", "a/b", "http://a", "*.*.a", "a.*.b", "a:80"] {
            assert!(text.parse::<Hostname>().is_err(), "{text}");
        }
    }
}
