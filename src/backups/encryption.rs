//! How backups are encrypted: by age (age-encryption.org/v1), with a passphrase or for a public key. What it makes
//! can be opened anywhere with the `age` tool.

use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use age::secrecy::SecretString;
use age::stream::StreamReader;
use age::{DecryptError, Decryptor, Encryptor, Identity, scrypt, x25519};
use serde::{Deserialize, Serialize};

use crate::backups::error::BackupError;

/// How much work a passphrase costs to try: 2^14 rounds, which take 16 MiB of memory. What the library would choose
/// takes hundreds, more than the whole server has otherwise.
const WORK_FACTOR: u8 = 14;

/// The most work that is done to open a file.
const MOST_WORK: u8 = 18;

/// How a backup is to be encrypted.
#[derive(Clone, Debug, Default)]
pub enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// With a passphrase, which the server has as well: it can restore by itself.
    Passphrase(SecretString),
    /// For a key whose secret half the server does not have.
    PublicKey(PublicKey),
}

/// How a backup was encrypted, as its sidecar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionKind {
    /// Not at all.
    None,
    /// With a passphrase.
    Passphrase,
    /// For a public key.
    PublicKey,
}

/// What a backup is opened with.
#[derive(Clone)]
pub enum Key {
    /// The passphrase.
    Passphrase(SecretString),
    /// The secret half of the public key.
    Secret(x25519::Identity),
}

/// The public half of an age key: `age1…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(String);

/// A text that is no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// A public key is needed.
    #[error("that is no public key of age: it begins with age1")]
    Public,
    /// A secret key is needed.
    #[error("that is no secret key of age: it begins with AGE-SECRET-KEY-1")]
    Secret,
}

impl Encryption {
    /// What the sidecar says of it.
    pub fn kind(&self) -> EncryptionKind {
        match self {
            Self::None => EncryptionKind::None,
            Self::Passphrase(_) => EncryptionKind::Passphrase,
            Self::PublicKey(_) => EncryptionKind::PublicKey,
        }
    }

    /// What encrypts one stream; `None` where nothing is to be encrypted.
    pub(super) fn encryptor(&self) -> io::Result<Option<Encryptor>> {
        let made = match self {
            Self::None => return Ok(None),
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK_FACTOR);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
            Self::PublicKey(key) => {
                let recipient = key.0.parse::<x25519::Recipient>().map_err(io::Error::other)?;
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
        };
        made.map(Some).map_err(io::Error::other)
    }
}

impl Key {
    /// Reads the secret half of a key: `AGE-SECRET-KEY-1…`, as age-keygen writes it; lines of remarks may be around.
    pub fn secret(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.next_back().and_then(|line| line.parse().ok()).map(Self::Secret).ok_or(KeyError::Secret)
    }

    /// Whether a backup encrypted in that way is opened by such a key.
    pub fn fits(&self, kind: EncryptionKind) -> bool {
        matches!(
            (self, kind),
            (Self::Passphrase(_), EncryptionKind::Passphrase) | (Self::Secret(_), EncryptionKind::PublicKey)
        )
    }

    /// Opens a stream.
    pub(super) fn decrypt<R: BufRead>(&self, stored: R) -> Result<StreamReader<R>, BackupError> {
        let decryptor = Decryptor::new_buffered(stored).map_err(explain)?;
        match self {
            Self::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(MOST_WORK);
                decryptor.decrypt(std::iter::once(&identity as &dyn Identity)).map_err(explain)
            }
            Self::Secret(identity) => {
                decryptor.decrypt(std::iter::once(identity as &dyn Identity)).map_err(explain)
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        text.parse::<x25519::Recipient>().map(|_| Self(text.to_owned())).map_err(|_| KeyError::Public)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn explain(error: DecryptError) -> BackupError {
    match error {
        DecryptError::Io(error) => BackupError::from_io(error),
        DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed
        | DecryptError::NoMatchingKeys
        | DecryptError::ExcessiveWork { .. } => BackupError::WrongKey,
        other => BackupError::Malformed(io::Error::other(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_age() {
        let identity = x25519::Identity::generate();
        let public = identity.to_public().to_string();
        assert_eq!(public.parse::<PublicKey>().unwrap().to_string(), public);
        for wrong in ["", "0x1234ABCD", "age1", "ssh-ed25519 AAAA"] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(KeyError::Public), "{wrong}");
        }
        use age::secrecy::ExposeSecret;
        let file =
            format!("# created: today\n# public key: {public}\n{}\n", identity.to_string().expose_secret());
        assert!(Key::secret(&file).is_ok());
        assert!(matches!(Key::secret(&public), Err(KeyError::Secret)));
    }

    #[test]
    fn neither_passphrases_nor_keys_can_be_printed() {
        let passphrase = SecretString::from("hunter2".to_owned());
        let shown =
            format!("{:?}{:?}", Encryption::Passphrase(passphrase.clone()), Key::Passphrase(passphrase));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
