//! Plugins: their names, and what is recorded of each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A plugin's name, which is also the namespace of its commands: `mysql` of `mysql:create`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(String);

/// A text that is no name of a plugin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a plugin's name has up to 40 characters a-z, 0-9 and -, and begins with a letter")]
pub struct PluginNameError;

/// What is recorded of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRecord {
    /// Its name.
    pub name: PluginName,
    /// The number of the user that its executables run as; no other plugin ever has the same.
    pub user: u32,
    /// Where it came from; nothing for one that comes with Slipway.
    pub source: Option<PluginSource>,
    /// Whether somebody switched it off.
    pub enabled: bool,
    /// When it was installed or updated, in seconds since the Unix epoch.
    pub installed_at: i64,
}

/// Where a plugin came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginSource {
    /// A git repository.
    Git {
        /// Its URL.
        url: String,
        /// The branch, tag or commit that was asked for.
        committish: Option<String>,
        /// The commit that is installed.
        commit: String,
    },
    /// An archive at a URL.
    Archive {
        /// The URL.
        url: String,
    },
    /// An archive on standard input.
    Stdin,
    /// A folder of the host.
    Folder {
        /// Where it is.
        path: String,
    },
}

impl fmt::Display for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git { url, commit, .. } => write!(f, "{url} at {}", commit.get(..12).unwrap_or(commit)),
            Self::Archive { url } => f.write_str(url),
            Self::Stdin => f.write_str("an archive on standard input"),
            Self::Folder { path } => f.write_str(path),
        }
    }
}

/// The number of the first plugin's user is one more. Debian gives these to nobody: its own users end at 59,999,
/// systemd's at 65,519, and those of containers begin at 100,000.
pub const USERS: u32 = 70_000;

/// The longest name.
const MAX_LENGTH: usize = 40;

impl PluginName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = PluginNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.len() <= MAX_LENGTH && text.chars().all(is_known) && !text.ends_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(PluginNameError)
        }
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_namespaces_and_folders() {
        for name in ["mysql", "http-notify", "s3", "a"] {
            assert!(name.parse::<PluginName>().is_ok(), "{name}");
        }
        for name in ["", "-a", "1a", "a/b", "..", "A", "a_b", "a:b", "a-", &"a".repeat(41)] {
            assert!(name.parse::<PluginName>().is_err(), "{name}");
        }
    }
}
