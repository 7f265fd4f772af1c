//! What lies beside each backup: a small file that says all that is needed to restore it, also on another server.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backups::encryption::EncryptionKind;
use crate::backups::pack::Packed;

/// Every table, key space or bucket of a service, and how much was in it.
pub type Contents = BTreeMap<String, Count>;

/// How much was in a table while it was backed up: as much as before it, as much as after it, or between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The lesser count.
    pub least: u64,
    /// The greater count.
    pub most: u64,
}

/// What is backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The plugin that its engine comes from: `postgres`.
    pub engine: String,
    /// The service's name.
    pub service: String,
    /// The image that it ran.
    pub image: String,
    /// The version of the engine.
    pub version: String,
    /// What files of a dump end in: `sql`.
    pub extension: String,
}

/// One backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Its name: when it was begun.
    pub name: String,
    /// What was backed up.
    #[serde(flatten)]
    pub subject: Subject,
    /// When it was begun, in seconds since 1970.
    pub taken_at: i64,
    /// The name of its file, beside this one.
    pub file: String,
    /// How long the dump was.
    pub dump_bytes: u64,
    /// How long the file is.
    pub stored_bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// How the dump is compressed: always `zstd`.
    pub compression: String,
    /// How it is encrypted.
    pub encryption: EncryptionKind,
    /// What was in it.
    pub contents: Contents,
}

impl Count {
    /// Between what was counted before and after.
    pub fn between(before: u64, after: u64) -> Self {
        Self { least: before.min(after), most: before.max(after) }
    }

    /// Whether a count is one that the backup may have.
    pub fn admits(self, count: u64) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

impl Sidecar {
    /// Describes a backup that has just been stored.
    pub fn new(naming: &Naming, subject: Subject, packed: Packed, contents: Contents) -> Self {
        Self {
            name: naming.name.clone(),
            taken_at: naming.taken_at.as_second(),
            file: naming.file(&subject.extension),
            subject,
            dump_bytes: packed.dump_bytes,
            stored_bytes: packed.stored_bytes,
            sha256: packed.sha256,
            compression: "zstd".to_owned(),
            encryption: naming.encryption,
            contents,
        }
    }
}

/// What a backup and its files are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    name: String,
    taken_at: Timestamp,
    encryption: EncryptionKind,
}

impl Naming {
    /// Names a backup by its time: names sort as times do.
    pub fn new(taken_at: Timestamp, encryption: EncryptionKind) -> Self {
        Self { name: taken_at.strftime("%Y-%m-%dT%H-%M-%S-%3fZ").to_string(), taken_at, encryption }
    }

    /// The name of the file: it says what it is to people who find it without this program.
    pub fn file(&self, extension: &str) -> String {
        let name = &self.name;
        match self.encryption {
            EncryptionKind::None => format!("{name}.{extension}.zst"),
            EncryptionKind::Passphrase | EncryptionKind::PublicKey => format!("{name}.{extension}.zst.age"),
        }
    }

    /// The name of the sidecar.
    pub fn sidecar(&self) -> String {
        format!("{}.json", self.name)
    }
}
