//! A path and everything below it, segment by segment. Pure.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A path that a route begins with: `/`, or `/segments` without a slash at the end. Compared byte by byte, as paths are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPrefix(
    /// Empty for `/`.
    String,
);

/// A text that is no path to route by.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a path that begins with / and has no empty, `.` or `..` segments, `?` or `#`")]
pub struct PathPrefixError(String);

impl PathPrefix {
    /// Whether a path is this one or below it.
    pub(crate) fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.0.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            || self.0.is_empty()
    }

    /// How specific it is.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What to put behind a host: nothing for all paths.
    pub(crate) fn as_suffix(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathPrefix {
    type Err = PathPrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || PathPrefixError(text.to_owned());
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() && text == "/" {
            return Ok(Self::default());
        }
        let segments = path.strip_prefix('/').ok_or_else(error)?;
        let is_segment = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\".contains(&byte))
        };
        if segments.split('/').all(is_segment) { Ok(Self(path.to_owned())) } else { Err(error()) }
    }
}

impl TryFrom<String> for PathPrefix {
    type Error = PathPrefixError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_with_a_segment() {
        let api: PathPrefix = "/api/".parse().unwrap();
        assert!(["/api", "/api/", "/api/x", "/api?x"].iter().all(|path| api.covers(path)));
        assert!(["/", "/apis", "/ap", "/API", "/x/api", ""].iter().all(|path| !api.covers(path)));
        assert!(PathPrefix::default().covers("/x") && PathPrefix::default().covers("*"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "api", "//", "/a//b", "/a/../b", "/.", "/a?b", "/a#b", "/a b", "/é", "/a\\b"] {
            assert!(text.parse::<PathPrefix>().is_err(), "{text}");
        }
    }
}
