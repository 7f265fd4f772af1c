//! Where requests are sent instead of an instance.

use serde::Deserialize;

use crate::host::RequestHost;
use crate::host_pattern::HostPattern;

/// Where requests are sent instead. What is asked for in clear text on another host than the canonical one gets there
/// in one hop.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Redirects {
    /// Whether requests in clear text are sent to HTTPS, and to which port of it.
    pub https: Option<u16>,
    /// Hosts that are not, since they have no certificate that clients would take.
    pub https_not_for: Vec<HostPattern>,
    /// The one host that all others of the app are sent to. A wildcard is none.
    pub canonical_host: Option<HostPattern>,
    /// More, the first that fits wins.
    pub rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[derive(Default)]
struct Unchecked {
    https: Option<u16>,
    https_not_for: Vec<HostPattern>,
    canonical_host: Option<HostPattern>,
    rules: Vec<Rule>,
}

/// One redirect, for a path or for all paths that begin with one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "UncheckedRule")]
pub struct Rule {
    from: String,
    to: String,
    status: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedRule {
    from: String,
    to: String,
    status: u16,
}

/// Why redirects cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RedirectError {
    /// The path is none.
    #[error("{0} is not a path that begins with /, with nothing but a * at its end beside its letters")]
    From(String),
    /// The target is none.
    #[error("{0} is neither a path such as /new nor a URL such as https://example.com/new")]
    To(String),
    /// The target has a star, and the path has none that it could stand for.
    #[error("{0} ends with *, and the path that it is for does not")]
    Star(String),
    /// The status is no redirect's.
    #[error("{0} is not one of 301, 302, 303, 307 and 308")]
    Status(u16),
    /// Browsers would go in circles.
    #[error("{from} leads back to itself")]
    Loop {
        /// The rule's path.
        from: String,
    },
    /// No request could be sent there.
    #[error("{0} is a wildcard, and the canonical host is one host")]
    Wildcard(HostPattern),
}

impl Redirects {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.https.is_none() && self.canonical_host.is_none() && self.rules.is_empty()
    }

    /// The port of HTTPS to which a host's requests in clear text are sent.
    pub(crate) fn https_of(&self, host: &str) -> Option<u16> {
        self.https.filter(|_| !self.https_not_for.iter().any(|left_out| left_out.covers(host)))
    }

    /// Says whether browsers would get somewhere.
    pub fn check(&self) -> Result<(), RedirectError> {
        if let Some(host) = self.canonical_host.as_ref().filter(|host| host.wildcard_suffix().is_some()) {
            return Err(RedirectError::Wildcard(host.clone()));
        }
        match self.rules.iter().find(|rule| self.comes_back(rule)) {
            Some(rule) => Err(RedirectError::Loop { from: rule.from.clone() }),
            None => Ok(()),
        }
    }

    /// Follows a rule on the same host for as many steps as there are rules; who is still going then goes in circles.
    fn comes_back(&self, rule: &Rule) -> bool {
        let mut path = rule.pattern().0.to_owned();
        if rule.pattern().1 {
            path.push('x');
        }
        let mut next = Some(rule);
        for _ in 0..=self.rules.len() {
            let Some(target) = next.and_then(|rule| rule.target(&path)) else { return false };
            let Some(target) = self.own_path(&target) else { return false };
            path = target.split('?').next().unwrap_or_default().to_owned();
            next = self.rules.iter().find(|rule| rule.fits(&path));
        }
        next.is_some()
    }

    /// The path of a target that leads to the same host again.
    fn own_path<'a>(&self, target: &'a str) -> Option<&'a str> {
        let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
            return Some(target);
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(end)?;
        let host = RequestHost::parse(host.as_bytes())?;
        let is_own = self.canonical_host.as_ref().is_some_and(|own| own.as_str() == host.name);
        is_own.then_some(if path.starts_with('/') { path } else { "/" })
    }
}

impl Rule {
    /// A redirect from a path to a path of the same host or to a URL. With a `*` at its end `from` stands for all paths
    /// that begin so; a `*` at the end of `to` is what that one stood for.
    pub fn new(from: &str, to: &str, status: u16) -> Result<Self, RedirectError> {
        let rule = Self { from: from.to_owned(), to: to.to_owned(), status };
        let (path, is_prefix) = rule.pattern();
        if !path.starts_with('/') || !is_clean(path) || path.contains('?') {
            return Err(RedirectError::From(rule.from));
        }
        let plain = rule.to.strip_suffix('*');
        if plain.is_some() && !is_prefix {
            return Err(RedirectError::Star(rule.to));
        }
        if !is_target(plain.unwrap_or(&rule.to), plain.is_some()) {
            return Err(RedirectError::To(rule.to));
        }
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Err(RedirectError::Status(status));
        }
        Ok(rule)
    }

    /// The path, with its star.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The target, with its star.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    fn pattern(&self) -> (&str, bool) {
        self.from.strip_suffix('*').map_or((&self.from, false), |path| (path, true))
    }

    /// Whether it is for a path.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let (pattern, is_prefix) = self.pattern();
        if is_prefix { path.starts_with(pattern) } else { path == pattern }
    }

    /// Where it leads a path and query: a path or a URL. The query goes along unless the target has one of its own.
    pub(crate) fn target(&self, path_and_query: &str) -> Option<String> {
        let (path, query) = path_and_query
            .split_once('?')
            .map_or((path_and_query, None), |(path, query)| (path, Some(query)));
        if !self.fits(path) {
            return None;
        }
        let mut target = match self.to.strip_suffix('*') {
            Some(start) => format!("{start}{}", path.strip_prefix(self.pattern().0)?),
            None => self.to.clone(),
        };
        if let Some(query) = query.filter(|_| !target.contains('?')) {
            target.push('?');
            target.push_str(query);
        }
        Some(target)
    }
}

/// Printable ASCII that ends no URL and is no star.
fn is_clean(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"*#\\\"<>".contains(&byte))
}

/// Whether a text is a path of the same host, or a URL whose host is whole: what a `*` stands for must not become a
/// part of it.
fn is_target(text: &str, has_star: bool) -> bool {
    if !is_clean(text) {
        return false;
    }
    if text.starts_with('/') {
        // Browsers read `//host` as a URL.
        return !text.starts_with("//");
    }
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let Some((host, path)) = rest.split_at_checked(end) else { return false };
    RequestHost::parse(host.as_bytes()).is_some() && (path.starts_with('/') || !has_star)
}

impl TryFrom<UncheckedRule> for Rule {
    type Error = RedirectError;

    fn try_from(rule: UncheckedRule) -> Result<Self, Self::Error> {
        Self::new(&rule.from, &rule.to, rule.status)
    }
}

impl TryFrom<Unchecked> for Redirects {
    type Error = RedirectError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { https, https_not_for, canonical_host, rules } = unchecked;
        let redirects = Self { https, https_not_for, canonical_host, rules };
        redirects.check().map(|()| redirects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str) -> Rule {
        Rule::new(from, to, 301).unwrap()
    }

    #[test]
    fn a_rule_leads_a_path_on_byte_by_byte() {
        let cases = [
            ("/old", "/new", "/old?a=%20", Some("/new?a=%20")),
            ("/old", "/new", "/old/x", None),
            ("/old", "/new?b", "/old?a", Some("/new?b")),
            ("/old/*", "/new/*", "/old/%2f//x?q", Some("/new/%2f//x?q")),
            ("/old/*", "https://a.example/", "/old/x", Some("https://a.example/")),
            ("/*", "https://a.example/*", "//evil.example", Some("https://a.example//evil.example")),
            ("/a*", "/new", "/b", None),
        ];
        for (from, to, asked, target) in cases {
            assert_eq!(rule(from, to).target(asked).as_deref(), target, "{from} {to} {asked}");
        }
    }

    #[test]
    fn what_could_be_another_host_than_was_written_is_refused() {
        for to in [
            "//evil.example",
            "https://good.example*",
            "https://*",
            "https://",
            "javascript:alert(1)",
            "new",
            "https://u@a.example/",
            "https://a.example\\@b/",
            "/a\r\nX: y",
            "/a b",
            "",
            "https://a.example?*",
        ] {
            assert!(Rule::new("/old*", to, 301).is_err(), "{to}");
        }
        for from in ["old", "", "/a*b", "/a?b", "/a#b", "/a b"] {
            assert!(Rule::new(from, "/new", 301).is_err(), "{from}");
        }
        assert_eq!(Rule::new("/a", "/b*", 301), Err(RedirectError::Star("/b*".to_owned())));
        assert_eq!(Rule::new("/a", "/b", 200), Err(RedirectError::Status(200)));
    }

    #[test]
    fn circles_are_found() {
        let check = |rules: &[(&str, &str)]| {
            let rules = rules.iter().map(|(from, to)| rule(from, to)).collect();
            let canonical_host = Some("a.example".parse().unwrap());
            Redirects { rules, canonical_host, https: Some(443), https_not_for: Vec::new() }.check()
        };
        for circle in [
            &[("/a", "/a")][..],
            &[("/a", "/b"), ("/b", "/a?x")],
            &[("/a*", "/a/b*")],
            &[("/a*", "/a/b")],
            &[("/*", "/*")],
            &[("/a", "https://a.example/a")],
            &[("/a", "/b"), ("/b", "/c"), ("/c", "https://a.example/b")],
        ] {
            assert!(matches!(check(circle), Err(RedirectError::Loop { .. })), "{circle:?}");
        }
        for way in [
            &[("/a", "/b"), ("/b", "/c")][..],
            &[("/a/*", "/*")],
            &[("/a", "https://b.example/a")],
            &[("/*", "https://b.example/*")],
        ] {
            assert_eq!(check(way), Ok(()), "{way:?}");
        }
    }

    #[test]
    fn files_are_held_to_the_same() {
        let read = |text: &str| toml::from_str::<Redirects>(text);
        assert!(read("https = 443\ncanonical-host = \"a.example\"\n").is_ok());
        assert!(read("canonical-host = \"*.example\"\n").is_err());
        assert!(read("rules = [{ from = \"/a\", to = \"/a\", status = 301 }]\n").is_err());
        assert!(read("rules = [{ from = \"/a\", to = \"//b\", status = 301 }]\n").is_err());
    }
}
