//! Where a service's backups go, how they are encrypted, how long they are kept: as it is set, and by default.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::backups::destination::{Destination, S3Access, S3Key};
use crate::backups::encryption::{Encryption, Key};
use crate::backups::error::BackupError;
use crate::backups::retention::Retention;
use crate::backups::shelf::Shelf;
use crate::command_error::CommandError;
use crate::services::Service;
use crate::store::service_backups::BackupRecord;

/// Where backups go of services for which nothing is set, in the server's root.
const DIRECTORY: &str = "backups";

/// How a service's backups are made, found and kept.
#[derive(Clone, Debug)]
pub struct BackupPlan {
    /// Where they go.
    pub destination: Destination,
    /// How a bucket is reached.
    pub access: S3Access,
    /// How they are encrypted.
    pub encryption: Encryption,
    /// How many are kept, and for how long.
    pub retention: Retention,
}

/// How a bucket is reached, as it is stored.
#[derive(Default, Serialize, Deserialize)]
struct StoredAccess {
    id: String,
    secret: String,
    region: Option<String>,
    endpoint: Option<String>,
}

/// Where backups go unless something else is set.
pub fn default_destination(app: &App) -> Destination {
    Destination::Directory(app.settings.root.join(DIRECTORY))
}

impl BackupPlan {
    /// As it is set of a service; another destination wins over the one that is set.
    pub async fn of(app: &App, service: &Service, destination: Option<&str>) -> Result<Self, CommandError> {
        let record = app.store.backup_record(service.record.id).await?;
        Self::from_record(app, &record, destination)
    }

    /// The same of what is recorded.
    pub fn from_record(
        app: &App,
        record: &BackupRecord,
        destination: Option<&str>,
    ) -> Result<Self, CommandError> {
        let destination = match destination.or(record.destination.as_deref()) {
            Some(text) => parse(text)?,
            None => default_destination(app),
        };
        let access = match &record.access {
            Some(text) => read_access(text)?,
            None => S3Access::default(),
        };
        let encryption = match (&record.passphrase, &record.public_key) {
            (Some(passphrase), _) => Encryption::Passphrase(passphrase.clone()),
            (None, Some(key)) => Encryption::PublicKey(key.parse().map_err(CommandError::user)?),
            (None, None) => Encryption::None,
        };
        let count = record.keep_count.and_then(|count| usize::try_from(count).ok());
        Ok(Self { destination, access, encryption, retention: Retention { count, days: record.keep_days } })
    }

    /// A plan for what nothing is set of: a service that is not there any more.
    pub fn elsewhere(destination: Destination, access: S3Access) -> Self {
        Self { destination, access, encryption: Encryption::None, retention: Retention::default() }
    }

    /// The backups of a service there.
    pub fn shelf(&self, engine: &str, service: &str) -> Result<Shelf, CommandError> {
        Shelf::open(&self.destination, &self.access, engine, service).map_err(|error| self.explain(error))
    }

    /// What opens the backups, if the server knows it.
    pub fn key(&self) -> Option<Key> {
        match &self.encryption {
            Encryption::Passphrase(passphrase) => Some(Key::Passphrase(passphrase.clone())),
            Encryption::None | Encryption::PublicKey(_) => None,
        }
    }

    /// What went wrong with the storage, and what to do about it.
    pub fn explain(&self, error: BackupError) -> CommandError {
        let hint = match &error {
            BackupError::Credentials(_) => {
                "Give the storage's key: backup-auth SERVICE KEY SECRET [REGION] [SIGV] [ENDPOINT]"
            }
            BackupError::NoPlace(_) => "Make it first, or name another one",
            BackupError::Unreachable(_) => "Look whether the storage runs and this host reaches it",
            BackupError::Full => "Make room there, or keep fewer: backup-retention SERVICE --count N",
            BackupError::NotFound(_) => "See which there are: backups SERVICE",
            BackupError::NoKey => {
                "Give the passphrase or the secret key on the standard input: --key-stdin < FILE"
            }
            BackupError::WrongKey => {
                "It is opened by what it was encrypted with then, not by what is set now: --key-stdin < FILE"
            }
            BackupError::Checksum
            | BackupError::Length { .. }
            | BackupError::FileMissing(_)
            | BackupError::Malformed(_) => {
                "Nothing was changed. Use another backup: backups SERVICE --check tells which are whole"
            }
            BackupError::Dump(_) => "Nothing was stored. The service's log may say more: logs SERVICE",
            BackupError::Destination(_) | BackupError::Sidecar(..) | BackupError::Storage(_) => {
                "Nothing was changed. The server's log says more"
            }
        };
        let place = &self.destination;
        match &error {
            // What the library of the storage says in each case is long, and adds nothing for a person.
            BackupError::Credentials(cause) | BackupError::Unreachable(cause) => {
                tracing::info!(destination = %place, %cause, "a storage cannot be used");
                CommandError::user(format!("{place}: {error}")).hint(hint)
            }
            BackupError::Dump(_)
            | BackupError::Storage(_)
            | BackupError::Sidecar(..)
            | BackupError::Malformed(_) => CommandError::internal(place, error).hint(hint),
            _ => CommandError::user(format!("{place}: {error}")).hint(hint),
        }
    }
}

/// Reads a destination as it is typed.
pub fn parse(text: &str) -> Result<Destination, CommandError> {
    text.parse().map_err(|error| {
        CommandError::user(error)
            .hint("Write a bucket as backups or s3://backups/prefix, a directory as /mnt/backups")
    })
}

/// How a bucket is reached, as text that can be sealed.
pub fn write_access(access: &S3Access) -> Result<SecretString, CommandError> {
    let (id, secret) = match &access.key {
        Some(key) => (key.id.clone(), key.secret.expose_secret().to_owned()),
        None => Default::default(),
    };
    let stored =
        StoredAccess { id, secret, region: access.region.clone(), endpoint: access.endpoint.clone() };
    let text = serde_json::to_string(&stored);
    text.map(SecretString::from).map_err(|error| unusable(&error))
}

fn read_access(text: &SecretString) -> Result<S3Access, CommandError> {
    let stored: StoredAccess =
        serde_json::from_str(text.expose_secret()).map_err(|error| unusable(&error))?;
    let key =
        (!stored.id.is_empty()).then(|| S3Key { id: stored.id, secret: SecretString::from(stored.secret) });
    Ok(S3Access { key, region: stored.region, endpoint: stored.endpoint })
}

fn unusable(error: &dyn fmt::Display) -> CommandError {
    // Without the cause's words, which may hold a part of the secret.
    tracing::debug!(%error, "credentials of a storage cannot be used");
    CommandError::user("The credentials of the storage cannot be used").hint("Give them again: backup-auth")
}
