//! A person's public SSH key, as it is kept.

use serde::Serialize;

use crate::model::role::{AppAccess, Role};

/// A public key and what it opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// The name the key was added under; unique.
    pub name: String,
    /// `SHA256:` and the unpadded base64 of the key blob's digest, as `ssh-keygen -l` prints it; unique.
    pub fingerprint: String,
    /// The key in OpenSSH's one-line form, without a comment.
    #[serde(rename = "public-key")]
    pub public_key: String,
    /// What it may do.
    pub role: Role,
    /// On which apps.
    pub access: AppAccess,
}
