//! Why a backup could not be made, found or read.

use std::error::Error;
use std::io;

use crate::backups::destination::DestinationError;

/// Why a backup could not be made, found or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// What was to be backed up broke off.
    #[error("the dump broke off")]
    Dump(#[source] io::Error),
    /// The storage does not know who asks.
    #[error("the storage refuses the credentials")]
    Credentials(#[source] object_store::Error),
    /// There is no such bucket, or the directory cannot be used.
    #[error("there is no such place: {0}")]
    NoPlace(String),
    /// The storage cannot be reached.
    #[error("the storage cannot be reached")]
    Unreachable(#[source] object_store::Error),
    /// The storage has no room.
    #[error("the storage is full")]
    Full,
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[source] object_store::Error),
    /// Where backups go to cannot be used as it is written.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// There is no backup of that name.
    #[error("there is no backup {0}")]
    NotFound(String),
    /// The file of a backup is gone.
    #[error("the file {0} is not there any more")]
    FileMissing(String),
    /// The bytes are not those that were stored.
    #[error("the backup is damaged: its checksum is not the one that was recorded")]
    Checksum,
    /// The file has another length than was recorded.
    #[error("the backup is damaged: it has {found} bytes instead of {recorded}")]
    Length {
        /// How long it is.
        found: u64,
        /// How long it was.
        recorded: u64,
    },
    /// The bytes are those that were stored, and are no backup.
    #[error("the file is no backup")]
    Malformed(#[source] io::Error),
    /// It was encrypted, and there is no key.
    #[error("the backup is encrypted and no key was given")]
    NoKey,
    /// It was encrypted with another key.
    #[error("the key does not open the backup")]
    WrongKey,
    /// A sidecar says what it cannot.
    #[error("the sidecar {0} cannot be read")]
    Sidecar(String, #[source] serde_json::Error),
}

impl BackupError {
    /// What an error of a stream holds, if it is one of ours.
    pub fn from_io(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            let inner = error.into_inner().map(|inner| inner.downcast::<Self>());
            return match inner {
                Some(Ok(inner)) => *inner,
                _ => Self::Malformed(io::ErrorKind::Other.into()),
            };
        }
        Self::Malformed(error)
    }

    /// The same as an error of a stream.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// What the storage's library says, by what a person can do about it.
    pub(super) fn of_storage(error: object_store::Error) -> Self {
        match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Credentials(error)
            }
            object_store::Error::NotFound { .. } => Self::NoPlace("the bucket does not exist".to_owned()),
            // A list's answer is none of the library's own kinds.
            _ if says(&error, "403 Forbidden") || says(&error, "401 Unauthorized") => {
                Self::Credentials(error)
            }
            _ if says(&error, "NoSuchBucket") => Self::NoPlace("the bucket does not exist".to_owned()),
            _ => match system_error(&error) {
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Self::Full,
                Some(kind) if kind != io::ErrorKind::Other => Self::Unreachable(error),
                _ => Self::Storage(error),
            },
        }
    }

    /// Whether asking once more may help: nothing that a person has done is wrong.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Storage(_))
    }
}

/// Every cause of an error, itself first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn says(error: &object_store::Error, words: &str) -> bool {
    causes(error).any(|cause| cause.to_string().contains(words))
}

/// What the system said, if it is the cause: of a connection, or of a file.
fn system_error(error: &object_store::Error) -> Option<io::ErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}
