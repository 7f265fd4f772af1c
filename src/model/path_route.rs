//! A path of a host that leads to an app, whoever has the rest of the host.

use std::fmt;
use std::str::FromStr;

use crate::model::hostname::{Hostname, HostnameError};

/// The longest path.
const LONGEST: usize = 200;

/// `example.com/api`: the path and all below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPath {
    /// The host, or a wildcard for one label.
    pub host: Hostname,
    path: String,
}

/// A path of a host that leads to an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRoute {
    /// Where.
    pub place: HostPath,
    /// Whether the app sees paths without this one before them.
    pub strip: bool,
}

/// A text that is no path of a host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostPathError {
    /// The host is none.
    #[error(transparent)]
    Host(#[from] HostnameError),
    /// The path is none.
    #[error("{0} is not a path: write letters, digits and -._~ between slashes, for example example.com/api")]
    Path(String),
}

impl HostPath {
    /// The path, with a slash at its beginning and none at its end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for HostPath {
    type Err = HostPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let wrong = || HostPathError::Path(format!("/{path}"));
        let segments = path.strip_suffix('/').unwrap_or(path);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
        if path.len() > LONGEST || !segments.split('/').all(is_segment) {
            return Err(wrong());
        }
        Ok(Self { host: host.parse()?, path: format!("/{segments}") })
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

impl fmt::Display for PathRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, if self.strip { " (stripped)" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_host_reads_as_it_prints() {
        let shown = |text: &str| text.parse::<HostPath>().map(|place| place.to_string());
        assert_eq!(shown("Example.com/api/v1/"), Ok("example.com/api/v1".to_owned()));
        assert_eq!(shown("*.example.com/api"), Ok("*.example.com/api".to_owned()));
        for wrong in [
            "example.com",
            "example.com/",
            "/api",
            "a..b/api",
            "a.b//api",
            "a.b/../x",
            "a.b/a%2fb",
            "a.b/a?b",
            "a.b/ü",
        ] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
