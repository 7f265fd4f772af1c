//! Opens what a destination names, and reads from it however slowly the bytes are taken.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use secrecy::ExposeSecret;

use crate::backups::destination::{Destination, S3Access};
use crate::backups::error::BackupError;

/// How much is asked for at a time. A database may take minutes over what it has been given; a request that is
/// answered at once does not wait for it, as one for the whole file would.
const RANGE: u64 = 8 * 1024 * 1024;

/// How long one request may take: a part over a slow line.
const REQUEST_DEADLINE: Duration = Duration::from_secs(300);

/// How long a connection may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How often a request is tried again, and for how long: a storage that restarts is waited for.
const RETRIES: usize = 6;
const RETRY_DEADLINE: Duration = Duration::from_secs(60);

/// The storage and the folder in it: `ENGINE/SERVICE` below what the destination names.
pub fn open(
    destination: &Destination,
    access: &S3Access,
    folder: &[&str],
) -> Result<(Arc<dyn ObjectStore>, Path), BackupError> {
    match destination {
        Destination::Directory(root) => {
            let store = directory(root, folder).map_err(|error| no_directory(root, &error))?;
            Ok((Arc::new(store), Path::from_iter(folder.iter().copied())))
        }
        Destination::Bucket { bucket, prefix } => {
            let store = builder(bucket, access).build().map_err(BackupError::of_storage)?;
            let parts = prefix.split('/').filter(|part| !part.is_empty());
            Ok((Arc::new(store), Path::from_iter(parts.chain(folder.iter().copied()))))
        }
    }
}

/// Reads a file of that length, piece by piece.
pub fn read(
    store: Arc<dyn ObjectStore>,
    path: Path,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((store, path, 0), move |(store, path, offset)| async move {
        if offset >= length {
            return Ok(None);
        }
        let end = (offset + RANGE).min(length);
        let bytes = store.get_range(&path, offset..end).await;
        let bytes = bytes.map_err(|error| BackupError::of_storage(error).into_io())?;
        Ok(Some((bytes, (store, path, end))))
    })
}

/// What is in it is as secret as the data itself, so only the server may look into folders that are made here.
fn directory(root: &FilePath, folder: &[&str]) -> io::Result<LocalFileSystem> {
    let whole = folder.iter().fold(root.to_owned(), |path, part| path.join(part));
    DirBuilder::new().recursive(true).mode(0o700).create(&whole)?;
    Ok(LocalFileSystem::new_with_prefix(root).map_err(io::Error::other)?.with_fsync(true))
}

/// Removes what a server that was killed left in a directory: what is being written bears `#` in its name until it is
/// whole.
pub fn remove_unfinished(root: &FilePath, folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(folder.as_ref()))? {
        let entry = entry?;
        let is_old = entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > UNFINISHED);
        if is_old && entry.file_name().to_string_lossy().contains('#') {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// After how long something unfinished is of no server that still writes it.
pub const UNFINISHED: Duration = Duration::from_secs(24 * 60 * 60);

fn builder(bucket: &str, access: &S3Access) -> AmazonS3Builder {
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_DEADLINE, ..RetryConfig::default() };
    let options = ClientOptions::new().with_timeout(REQUEST_DEADLINE).with_connect_timeout(CONNECT_DEADLINE);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(access.region.as_deref().unwrap_or("us-east-1"))
        .with_client_options(options)
        .with_retry(retry);
    if let Some(key) = &access.key {
        builder = builder.with_access_key_id(&key.id).with_secret_access_key(key.secret.expose_secret());
    }
    if let Some(endpoint) = &access.endpoint {
        let plain = endpoint.starts_with("http://");
        let url = if endpoint.contains("://") { endpoint.clone() } else { format!("https://{endpoint}") };
        builder = builder.with_endpoint(url).with_allow_http(plain);
    }
    builder
}

fn no_directory(root: &FilePath, error: &io::Error) -> BackupError {
    BackupError::NoPlace(format!("{} cannot be used: {error}", root.display()))
}
