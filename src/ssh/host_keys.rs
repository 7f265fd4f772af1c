//! The keys by which clients recognise this server: made once, then only read.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};
use tempfile::NamedTempFile;
use tracing::info;

/// Host keys that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// The directory or a file in it cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is there and is no private key. It is never replaced: clients would take the new key for an attack.
    #[error("{} is not an OpenSSH private key; restore it, or remove it to have a new one made", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: russh::keys::ssh_key::Error,
    },
    /// No key could be made.
    #[error("cannot make a host key")]
    Make(#[source] russh::keys::ssh_key::Error),
}

/// Reads the host keys below `directory`, and makes those that are missing (mode 0600).
///
/// ECDSA stands in for RSA, for the few clients without ed25519: it takes milliseconds to make instead of seconds.
pub fn load_or_make(directory: &Path) -> Result<Vec<PrivateKey>, HostKeyError> {
    let file_error = |source| HostKeyError::File { path: directory.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(file_error)?;
    let kinds = [
        ("ssh_host_ed25519_key", Algorithm::Ed25519),
        ("ssh_host_ecdsa_key", Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }),
    ];
    kinds.into_iter().map(|(name, algorithm)| load_or_make_one(directory, name, algorithm)).collect()
}

fn load_or_make_one(directory: &Path, name: &str, algorithm: Algorithm) -> Result<PrivateKey, HostKeyError> {
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(text) => PrivateKey::from_openssh(text).map_err(|source| HostKeyError::Unusable { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = PrivateKey::random(&mut rand::rng(), algorithm).map_err(HostKeyError::Make)?;
            let text = key.to_openssh(LineEnding::LF).map_err(HostKeyError::Make)?;
            write_new(directory, &path, text.as_bytes())
                .map_err(|source| HostKeyError::File { path: path.clone(), source })?;
            info!(path = %path.display(), "made a host key");
            Ok(key)
        }
        Err(source) => Err(HostKeyError::File { path, source }),
    }
}

/// Writes a file that is either whole or not there, also after a power cut.
fn write_new(directory: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_made_once_and_only_their_owner_reads_them() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("host_keys");
        let made = load_or_make(&directory).unwrap();
        let read = load_or_make(&directory).unwrap();
        assert_eq!(made.len(), 2);
        for (one, other) in made.iter().zip(&read) {
            assert_eq!(one.public_key().key_data(), other.public_key().key_data());
        }
        for entry in fs::read_dir(&directory).unwrap() {
            let metadata = entry.unwrap().metadata().unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_damaged_key_stops_the_start_and_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        load_or_make(root.path()).unwrap();
        let path = root.path().join("ssh_host_ed25519_key");
        fs::write(&path, "half a key").unwrap();
        let message = load_or_make(root.path()).unwrap_err().to_string();
        assert!(message.contains("ssh_host_ed25519_key"), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "half a key");
    }
}
