//! Sealing of values at rest: AES-256-GCM with a key file that only the server reads.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};

/// Length of the key in bytes.
const KEY_LENGTH: usize = 32;

/// The key of this installation.
pub struct SecretKey {
    sealing: RandomizedNonceKey,
    /// What keys for other purposes come from.
    root: Prk,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// What can go wrong with the key or a sealed value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or made.
    #[error("cannot use the key file {0}")]
    File(String, #[source] io::Error),
    /// There is a database and no key: values in it cannot be read any more.
    #[error("{0} is missing, and the database holds values sealed with it: restore it from your backup")]
    Missing(String),
    /// The file is not a key.
    #[error("{0} is not a key of {KEY_LENGTH} bytes: restore it from your backup")]
    Malformed(String),
    /// The value was sealed with another key, for another place, or is damaged.
    #[error("a stored value cannot be opened with secret.key: restore the key that belongs to this database")]
    Open,
    /// The cryptographic library derived nothing.
    #[error("no key can be derived from secret.key")]
    Derive,
    /// The cryptographic library refused.
    #[error("the value cannot be sealed")]
    Seal,
}

impl SecretKey {
    /// Reads the key file, or makes it if there is no database yet that would need an older one.
    pub fn load(path: &Path, database_exists: bool) -> Result<Self, SecretError> {
        let shown = path.display().to_string();
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !database_exists => {
                create(path).map_err(|error| SecretError::File(shown.clone(), error))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SecretError::Missing(shown)),
            Err(error) => return Err(SecretError::File(shown, error)),
        };
        if bytes.len() != KEY_LENGTH {
            return Err(SecretError::Malformed(shown));
        }
        let root = Salt::new(HKDF_SHA256, &[]).extract(&bytes);
        let sealing =
            RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| SecretError::Malformed(shown))?;
        Ok(Self { sealing, root })
    }

    /// A key for one purpose: always the same one, which tells nothing about this key or that of another purpose
    /// (HKDF, RFC 5869).
    pub fn derive(&self, purpose: &str) -> Result<[u8; KEY_LENGTH], SecretError> {
        let mut derived = [0; KEY_LENGTH];
        self.root
            .expand(&[purpose.as_bytes()], HKDF_SHA256)
            .and_then(|key| key.fill(&mut derived))
            .map_err(|_| SecretError::Derive)?;
        Ok(derived)
    }

    /// Seals a value for one place, so that it cannot be moved to another row. Returns nonce, ciphertext, tag.
    pub fn seal(&self, place: &str, value: &[u8]) -> Result<Vec<u8>, SecretError> {
        let mut sealed = value.to_vec();
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed)
            .map_err(|_| SecretError::Seal)?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens what [`SecretKey::seal`] made for the same place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SecretError> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(SecretError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretError::Open)?;
        let mut opened = ciphertext.to_vec();
        let length = self
            .sealing
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut opened)
            .map_err(|_| SecretError::Open)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }
}

/// Makes the key file, on the disk before it is used for anything.
fn create(path: &Path) -> io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_LENGTH];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no random numbers"))?;
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_where_it_was_sealed_for() {
        let root = tempfile::tempdir().unwrap();
        let key = SecretKey::load(&root.path().join("secret.key"), false).unwrap();
        let sealed = key.seal("config:1:A", b"hunter2").unwrap();
        assert_eq!(key.open("config:1:A", &sealed).unwrap(), b"hunter2");
        assert!(matches!(key.open("config:2:A", &sealed), Err(SecretError::Open)));
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert!(matches!(key.open("config:1:A", &sealed[..5]), Err(SecretError::Open)));
    }

    #[test]
    fn a_database_without_its_key_is_an_error_and_makes_no_new_key() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("secret.key");
        assert!(matches!(SecretKey::load(&path, true), Err(SecretError::Missing(_))));
        assert!(!path.exists());
        SecretKey::load(&path, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        SecretKey::load(&path, true).unwrap();
    }

    #[test]
    fn a_derived_key_is_always_the_same_and_only_for_its_purpose() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("secret.key");
        let derived = |path: &Path, purpose| SecretKey::load(path, false).unwrap().derive(purpose).unwrap();
        let first = derived(&path, "cookies");
        assert_eq!(first, derived(&path, "cookies"));
        assert_ne!(first, derived(&path, "tickets"));
        assert_ne!(first.as_slice(), fs::read(&path).unwrap());
        assert_ne!(first, derived(&root.path().join("other.key"), "cookies"));
    }
}
