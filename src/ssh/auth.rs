//! Which keys are taken, and whose key it was: the only place that decides who an SSH client is.

use std::borrow::Cow;

use russh::MethodKind;
use russh::MethodSet;
use russh::Preferred;
use russh::compression;
use russh::keys::ssh_key::PublicKey;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};

/// The key that the client has signed with. Made only after the signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenKey {
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

/// The fingerprint of a key that a client named, proven or not.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Key algorithms for users and for the host. No `ssh-rsa` (SHA-1) and no DSA, like OpenSSH since 8.8.
const KEY_ALGORITHMS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::SkEd25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::SkEcdsaSha2NistP256,
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Whether signatures of this algorithm are taken.
pub fn is_accepted(algorithm: &Algorithm) -> bool {
    KEY_ALGORITHMS.contains(algorithm)
}

/// The only way in: a public key.
pub fn methods() -> MethodSet {
    MethodSet::from([MethodKind::PublicKey].as_slice())
}

/// The algorithms that are offered. No compression: git's packs are compressed, and everything else is short.
pub fn preferred() -> Preferred {
    Preferred {
        key: Cow::Borrowed(KEY_ALGORITHMS),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_signatures_are_not_taken() {
        assert!(!is_accepted(&Algorithm::Rsa { hash: None }));
        assert!(!is_accepted(&Algorithm::Dsa));
        assert!(is_accepted(&Algorithm::Rsa { hash: Some(HashAlg::Sha256) }));
    }

    #[test]
    fn keys_in_hardware_tokens_are_known() {
        let text = "sk-ssh-ed25519@openssh.com \
            AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAICFo/k5LU8863u66YC9eUO2170QduohPURkQnbLa/dczAAAABHNzaDo=";
        let key = PublicKey::from_openssh(text).unwrap();
        assert!(is_accepted(&key.algorithm()));
        assert_eq!(fingerprint(&key).len(), "SHA256:".len() + 43);
    }
}
