//! What people write into settings, which is refused when it is set or never.

use crate::host_pattern::HostPattern;
use crate::path_prefix::PathPrefix;
use crate::policy::headers::name_and_value::NameAndValue;
use crate::policy::redirects::Rule;
use crate::trust::TrustedProxies;

/// A prefix covers itself and what is behind a slash. The input is a prefix and a path with a space between.
pub(super) fn path_prefix(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (prefix, path) = text.split_once(' ').unwrap_or((text, "/"));
    let Ok(parsed) = prefix.parse::<PathPrefix>() else { return };
    let suffix = parsed.as_suffix();
    assert!(
        !suffix.ends_with('/')
            && parsed.covers(&format!("{suffix}/x"))
            && (suffix.is_empty() || parsed.covers(suffix))
    );
    if parsed.covers(path) && !suffix.is_empty() {
        let rest = path.strip_prefix(suffix);
        assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])));
    }
}

/// No path leads to another host than the rule's. The input is `from`, `to` and a path with spaces between.
pub(super) fn redirect_rule(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut words = text.split(' ');
    let (Some(from), Some(to), Some(path)) = (words.next(), words.next(), words.next()) else { return };
    let Ok(rule) = Rule::new(from, to, 301) else { return };
    let Some(target) = rule.target(path).filter(|_| path.starts_with('/')) else { return };
    let authority = |url: &str| {
        let rest = url.split_once("://").filter(|_| !url.starts_with('/')).map(|(_, rest)| rest);
        rest.map(|rest| rest.split(['/', '?', '*']).next().unwrap_or_default().to_owned())
    };
    assert_eq!(authority(&target), authority(to), "{target}");
    assert!(target.starts_with('/') || target.starts_with("http"));
}

/// Networks are written as they are read.
pub(super) fn networks(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(networks) = text.parse::<TrustedProxies>() else { return };
    assert_eq!(networks.to_string().parse(), Ok(networks));
}

/// A host is written as it is read, and is itself.
pub(super) fn host_pattern(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(pattern) = text.parse::<HostPattern>() else { return };
    assert_eq!(pattern.as_str().parse(), Ok(pattern.clone()));
    let below = pattern.wildcard_suffix().map(|suffix| format!("a.{suffix}"));
    assert!(pattern.covers(below.as_deref().unwrap_or(pattern.as_str())));
}

/// No header can be set that ends its line. The input is a name and a value with a line's end between.
pub(super) fn header_rule(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (name, value) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(rule) = NameAndValue::try_from((name.to_owned(), value.to_owned())) else { return };
    assert!(!rule.value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    assert!(!["content-length", "transfer-encoding", "connection"].contains(&rule.name.as_str()));
}
