//! Plugins: their names, and what one says about itself.

use std::fmt;
use std::str::FromStr;

/// A plugin's name, which is also the namespace of its commands: `mysql` of `mysql:create`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(String);

/// A text that is no name of a plugin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a plugin's name has up to 40 characters a-z, 0-9 and -, and begins with a letter")]
pub struct PluginNameError;

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
