//! One service's backups at one destination. Each is a file and its sidecar, which is written last and removed last:
//! what has no sidecar is no backup.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::backups::ByteStream;
use crate::backups::destination::{Destination, S3Access};
use crate::backups::encryption::{Encryption, EncryptionKind, Key};
use crate::backups::error::BackupError;
use crate::backups::pack::{Packed, pack};
use crate::backups::sidecar::{Contents, Naming, Sidecar, Subject};
use crate::backups::storage;
use crate::backups::unpack::{check_sum, unpack};
use crate::backups::upload::upload;

/// How many sidecars are asked for at a time.
const SIDECARS_AT_ONCE: usize = 8;

/// One service's backups at one destination. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shelf {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// Where it lies, if it is on this host.
    directory: Option<PathBuf>,
}

/// What is to be stored.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it is of.
    pub subject: Subject,
    /// When it was begun.
    pub taken_at: Timestamp,
    /// How it is to be encrypted.
    pub encryption: Encryption,
}

/// A file that is stored and is no backup yet: its sidecar is missing.
#[derive(Debug)]
#[must_use = "without its sidecar it is no backup"]
pub struct Stored {
    shelf: Shelf,
    naming: Naming,
    subject: Subject,
    packed: Packed,
}

/// A backup that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What is known of it.
    pub sidecar: Sidecar,
    /// Whether its file is there.
    pub state: State,
}

/// Whether a backup's file is there, as far as a listing tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is, with the length that was recorded.
    Whole,
    /// It has another length.
    Length(u64),
    /// It is not.
    Missing,
}

impl Shelf {
    /// Opens it. Nothing is asked of a bucket yet; a directory is made.
    pub fn open(
        destination: &Destination,
        access: &S3Access,
        engine: &str,
        service: &str,
    ) -> Result<Self, BackupError> {
        let (store, folder) = storage::open(destination, access, &[engine, service])?;
        let directory = match destination {
            Destination::Directory(root) => Some(root.clone()),
            Destination::Bucket { .. } => None,
        };
        Ok(Self { store, folder, directory })
    }

    /// Stores a dump while it arrives. An error of its stream leaves nothing behind, and neither does dropping this:
    /// the upload is a task of its own, which then ends and takes back what it has sent.
    pub async fn put(&self, dump: ByteStream, request: Request) -> Result<Stored, BackupError> {
        let naming = Naming::new(request.taken_at, request.encryption.kind());
        let path = self.folder.clone().join(naming.file(&request.subject.extension));
        let unwanted = CancellationToken::new();
        let _waits = unwanted.clone().drop_guard();
        let (store, product) = (Arc::clone(&self.store), pack(dump, request.encryption, unwanted));
        let task = tokio::spawn(async move { upload(store.as_ref(), &path, product).await });
        let packed = task.await.map_err(|error| BackupError::Dump(io::Error::other(error)))??;
        Ok(Stored { shelf: self.clone(), naming, subject: request.subject, packed })
    }

    /// All backups, newest first.
    pub async fn list(&self) -> Result<Vec<Listed>, BackupError> {
        let objects = self.objects().await?;
        let sidecars = objects.values().filter(|object| is_sidecar(&object.location));
        let reads: Vec<_> = sidecars.map(|object| self.sidecar(&object.location)).collect();
        let read: Vec<_> = stream::iter(reads).buffered(SIDECARS_AT_ONCE).collect().await;
        let mut listed = Vec::new();
        for sidecar in read {
            match sidecar {
                Ok(sidecar) => {
                    let state = state(&sidecar, objects.get(&sidecar.file));
                    listed.push(Listed { sidecar, state });
                }
                Err(error @ BackupError::Sidecar(..)) => warn!(%error, "a sidecar is not counted"),
                Err(error) => return Err(error),
            }
        }
        listed.sort_by(|one, other| other.sidecar.name.cmp(&one.sidecar.name));
        Ok(listed)
    }

    /// The backup of that name, or the newest whole one for `newest`.
    pub async fn find(&self, name: &str) -> Result<Sidecar, BackupError> {
        let mut all = self.list().await?.into_iter();
        let found = all.find(|listed| match name {
            "newest" => listed.state == State::Whole,
            name => listed.sidecar.name == name,
        });
        found.map(|listed| listed.sidecar).ok_or_else(|| BackupError::NotFound(name.to_owned()))
    }

    /// Reads a backup's dump. What was read is good once the end has come without an error, and not before.
    pub async fn read(&self, backup: &Sidecar, key: Option<Key>) -> Result<ByteStream, BackupError> {
        let key = match backup.encryption {
            EncryptionKind::None => None,
            kind => match key {
                None => return Err(BackupError::NoKey),
                Some(key) if !key.fits(kind) => return Err(BackupError::WrongKey),
                key => key,
            },
        };
        Ok(unpack(self.stored(backup).await?, backup.sha256.clone(), key))
    }

    /// Reads a backup's file and compares its checksum; needs no key.
    pub async fn check(&self, backup: &Sidecar) -> Result<(), BackupError> {
        check_sum(self.stored(backup).await?, &backup.sha256).await
    }

    /// Removes a backup; no error if parts of it are gone already.
    pub async fn remove(&self, backup: &Sidecar) -> Result<(), BackupError> {
        self.delete(&backup.file).await?;
        self.delete(&format!("{}.json", backup.name)).await
    }

    /// Removes files without a sidecar that nobody can still be writing.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), BackupError> {
        if let Some(root) = self.directory.clone() {
            let folder = self.folder.clone();
            let removed = spawn_blocking(move || storage::remove_unfinished(&root, &folder)).await;
            removed.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(unreadable)?;
        }
        let objects = self.objects().await?;
        let oldest = now.as_second() - storage::UNFINISHED.as_secs().cast_signed();
        for (name, object) in &objects {
            let sidecar = name.split('.').next().map(|name| format!("{name}.json"));
            let is_known = sidecar.is_some_and(|sidecar| objects.contains_key(&sidecar));
            if !is_known && object.last_modified.timestamp() < oldest {
                self.delete(name).await?;
            }
        }
        Ok(())
    }

    async fn stored(&self, backup: &Sidecar) -> Result<ByteStream, BackupError> {
        let path = self.folder.clone().join(backup.file.as_str());
        let found = match self.store.head(&path).await {
            Ok(object) => object.size,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(BackupError::FileMissing(path.to_string()));
            }
            Err(error) => return Err(BackupError::of_storage(error)),
        };
        if found != backup.stored_bytes {
            return Err(BackupError::Length { found, recorded: backup.stored_bytes });
        }
        Ok(Box::pin(storage::read(Arc::clone(&self.store), path, found)))
    }

    async fn sidecar(&self, path: &Path) -> Result<Sidecar, BackupError> {
        let got = self.store.get(path).await.map_err(BackupError::of_storage)?;
        let bytes = got.bytes().await.map_err(BackupError::of_storage)?;
        serde_json::from_slice(&bytes).map_err(|error| BackupError::Sidecar(path.to_string(), error))
    }

    /// All that lies in the folder, by name.
    async fn objects(&self) -> Result<BTreeMap<String, ObjectMeta>, BackupError> {
        let found = self.store.list(Some(&self.folder));
        let found: Vec<ObjectMeta> = found.try_collect().await.map_err(BackupError::of_storage)?;
        let named = found.into_iter().filter_map(|object| {
            let name = object.location.filename()?.to_owned();
            Some((name, object))
        });
        Ok(named.collect())
    }

    async fn delete(&self, name: &str) -> Result<(), BackupError> {
        match self.store.delete(&self.folder.clone().join(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BackupError::of_storage(error)),
        }
    }
}

impl Stored {
    /// Makes it a backup.
    pub async fn keep(self, contents: Contents) -> Result<Sidecar, BackupError> {
        let path = self.shelf.folder.clone().join(self.naming.sidecar());
        let sidecar = Sidecar::new(&self.naming, self.subject, self.packed, contents);
        let json = serde_json::to_vec_pretty(&sidecar)
            .map_err(|error| BackupError::Sidecar(path.to_string(), error))?;
        if let Err(error) = self.shelf.store.put(&path, PutPayload::from(json)).await {
            self.shelf.delete(&sidecar.file).await?;
            return Err(BackupError::of_storage(error));
        }
        Ok(sidecar)
    }

    /// Takes it back.
    pub async fn discard(self) -> Result<(), BackupError> {
        self.shelf.delete(&self.naming.file(&self.subject.extension)).await
    }
}

fn unreadable(error: io::Error) -> BackupError {
    BackupError::NoPlace(format!("the directory cannot be read: {error}"))
}

fn is_sidecar(path: &Path) -> bool {
    path.extension() == Some("json")
}

fn state(sidecar: &Sidecar, object: Option<&ObjectMeta>) -> State {
    match object {
        None => State::Missing,
        Some(object) if object.size == sidecar.stored_bytes => State::Whole,
        Some(object) => State::Length(object.size),
    }
}
