//! Config vars: what an app's environment is made of. Values are secret.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// A config var's name: `^[a-zA-Z_][a-zA-Z0-9_]*$` (POSIX.1-2017, section 8.1, without its upper-case rule).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfigKey(String);

/// A text that is not a config var's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Invalid key name: '{0}'")]
pub struct ConfigKeyError(String);

impl ConfigKey {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConfigKey {
    type Err = ConfigKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let starts_well = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if starts_well && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            Ok(Self(text.to_owned()))
        } else {
            Err(ConfigKeyError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for ConfigKey {
    type Error = ConfigKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ConfigKey> for String {
    fn from(key: ConfigKey) -> Self {
        key.0
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A config var's value: any text without a NUL, at most [`ConfigValue::LIMIT`] bytes.
///
/// `Debug` does not print it. The engine takes the environment as JSON, so it has to be UTF-8.
#[derive(Clone, Debug)]
pub struct ConfigValue(SecretString);

/// Why bytes cannot be a config var's value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigValueError {
    /// No environment can hold a NUL.
    #[error("a value must not contain a NUL byte")]
    Nul,
    /// The engine takes text only.
    #[error("a value must be UTF-8 text: encode binary data, for example as base64")]
    NotText,
    /// `execve` refuses one string of the environment over 128 KiB (`MAX_ARG_STRLEN`).
    #[error(
        "a value must not be longer than {} bytes: Linux starts no process with more; keep larger data in a file or a service",
        ConfigValue::LIMIT
    )]
    TooLong,
}

impl ConfigValue {
    /// The longest value in bytes: Linux's `MAX_ARG_STRLEN` of 128 KiB, less room for the name.
    pub const LIMIT: usize = 128 * 1024 - 1024;

    /// Takes bytes as they came over the wire.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ConfigValueError> {
        if bytes.contains(&0) {
            return Err(ConfigValueError::Nul);
        }
        if bytes.len() > Self::LIMIT {
            return Err(ConfigValueError::TooLong);
        }
        let text = String::from_utf8(bytes).map_err(|_| ConfigValueError::NotText)?;
        Ok(Self(SecretString::from(text)))
    }

    /// The value itself. Call it only where the value leaves for its container or its owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for ConfigValue {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// Config vars in the order of their names' bytes.
pub type ConfigVars = BTreeMap<ConfigKey, ConfigValue>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_shows_in_debug() {
        let value = ConfigValue::from_bytes(b"hunter2".to_vec()).unwrap();
        assert!(!format!("{value:?}").contains("hunter2"));
    }

    #[test]
    fn what_no_process_can_be_given_is_refused() {
        assert_eq!(ConfigValue::from_bytes(vec![b'a', 0]), Err(ConfigValueError::Nul));
        assert_eq!(ConfigValue::from_bytes(vec![0xff]), Err(ConfigValueError::NotText));
        assert_eq!(ConfigValue::from_bytes(vec![b'a'; 1 << 20]), Err(ConfigValueError::TooLong));
    }

    #[test]
    fn keys_are_shell_names() {
        for key in ["A", "_a", "a1_B"] {
            assert!(key.parse::<ConfigKey>().is_ok());
        }
        for key in ["", "1A", "A-B", "A B", "A=B", "É"] {
            assert!(key.parse::<ConfigKey>().is_err(), "{key}");
        }
    }
}
