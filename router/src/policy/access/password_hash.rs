//! A password that can be checked and not read: slow to guess, and slow to check, so that `gate::auth` remembers.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive, verify};
use aws_lc_rs::rand;
use serde::Deserialize;

/// What OWASP's password storage cheat sheet asks for with HMAC-SHA-256.
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599_999);
/// More would let whoever writes a table stop the router.
const MAX_ROUNDS: u32 = 10_000_000;
const SCHEME: &str = "pbkdf2-sha256";

/// A password's salted hash by PBKDF2 (RFC 8018). As text: `pbkdf2-sha256$ROUNDS$SALT$HASH`, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PasswordHash {
    rounds: NonZeroU32,
    salt: [u8; 16],
    hash: [u8; 32],
}

/// Why a text is no password's hash.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a password's hash, which looks like {SCHEME}$ROUNDS$SALT$HASH")]
pub struct PasswordHashError;

impl PasswordHash {
    /// Hashes a password with a new salt. Takes a good part of a second of a processor's time.
    pub fn of(password: &str) -> Result<Self, Unspecified> {
        Self::with_rounds(password, ROUNDS)
    }

    fn with_rounds(password: &str, rounds: NonZeroU32) -> Result<Self, Unspecified> {
        let (mut salt, mut hash) = ([0; 16], [0; 32]);
        rand::fill(&mut salt)?;
        derive(PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut hash);
        Ok(Self { rounds, salt, hash })
    }

    /// A hash that no password has, for names that nobody has: checking it takes as long.
    pub(crate) fn of_nothing() -> Self {
        Self { rounds: ROUNDS, salt: [0; 16], hash: [0; 32] }
    }

    /// Whether it is this password's. As slow as making it.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        verify(PBKDF2_HMAC_SHA256, self.rounds, &self.salt, password, &self.hash).is_ok()
    }

    /// What tells it from all others.
    pub(crate) fn salt_and_hash(&self) -> [&[u8]; 2] {
        [&self.salt, &self.hash]
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}${}$", self.rounds)?;
        self.salt.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("$")?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('$');
        let (Some(SCHEME), Some(rounds), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PasswordHashError);
        };
        let rounds = rounds.parse().ok().filter(|rounds: &NonZeroU32| rounds.get() <= MAX_ROUNDS);
        match (rounds, bytes_of(salt), bytes_of(hash)) {
            (Some(rounds), Some(salt), Some(hash)) => Ok(Self { rounds, salt, hash }),
            _ => Err(PasswordHashError),
        }
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = PasswordHashError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

fn bytes_of<const LENGTH: usize>(digits: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    if digits.len() != 2 * LENGTH || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_only_and_survives_as_text() {
        let hash = PasswordHash::with_rounds("secret", NonZeroU32::MIN).unwrap();
        assert!(hash.is_of(b"secret") && !hash.is_of(b"Secret") && !hash.is_of(b""));
        assert_eq!(hash.to_string().parse(), Ok(hash.clone()));
        assert_ne!(PasswordHash::with_rounds("secret", NonZeroU32::MIN).unwrap(), hash, "the salt is new");
    }

    #[test]
    fn other_texts_are_no_hashes() {
        let good = PasswordHash::with_rounds("x", NonZeroU32::MIN).unwrap().to_string();
        for bad in [
            "",
            "secret",
            "pbkdf2-sha256$1$$",
            &good.replace("$1$", "$0$"),
            &good.replace("$1$", "$10000001$"),
            &good.replace("pbkdf2", "md5"),
            &format!("{good}$"),
            &format!("{good}0"),
            &format!("{}é", &good[..good.len() - 2]),
        ] {
            assert_eq!(bad.parse::<PasswordHash>(), Err(PasswordHashError), "{bad}");
        }
    }
}
