//! Passwords of services: secret, and safe in URLs, SQL and arguments as they are.

use std::str::FromStr;

use rand::distr::{Alphanumeric, SampleString as _};
use secrecy::{ExposeSecret, SecretString};

/// How long a generated one is: 190 bits.
const LENGTH: usize = 32;
/// How long one may be.
const LONGEST: usize = 128;
/// Shorter ones are guessed.
const SHORTEST: usize = 8;

/// A password. `Debug` does not print it.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

/// A text that is no password of a service.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("A password of a service has 8 to 128 characters A-Z, a-z, 0-9, _, . and -")]
pub struct PasswordError;

impl Password {
    /// A new one, of letters and digits.
    pub fn generate() -> Self {
        Self(SecretString::from(Alphanumeric.sample_string(&mut rand::rng(), LENGTH)))
    }

    /// The password itself. Call it only where it leaves for its container or its owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for Password {
    type Err = PasswordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(SecretString::from(text)))
        } else {
            Err(PasswordError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_can_stand_in_sql_urls_and_arguments_and_never_in_debug() {
        let one = Password::generate();
        assert!(one.expose().len() == LENGTH && one.expose().parse::<Password>().is_ok());
        assert_ne!(one.expose(), Password::generate().expose());
        assert!(!format!("{one:?}").contains(one.expose()));
        for text in ["short", "with space", "quote'quote", "a@b:c/d?e", "äöüäöüäö", &"a".repeat(129)]
        {
            assert!(text.parse::<Password>().is_err(), "{text}");
        }
    }
}
