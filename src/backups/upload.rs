//! Sends a product of unknown length to a storage: at once where it is short, in parts where it is not. Whatever goes
//! wrong, nothing of it stays.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tracing::warn;

use crate::backups::blocking::Product;
use crate::backups::error::BackupError;
use crate::backups::pack::Packed;

/// The size of a part. One is filled while another is under way, so twice this is in memory.
const PART: usize = 8 * 1024 * 1024;

/// After how many parts their size doubles: a storage takes 10,000, which would be 84 GB of the smallest.
const PARTS_OF_A_SIZE: usize = 4_000;

/// Stores all of a product under that path, which is there once all of it is, or not at all.
pub async fn upload(
    store: &dyn ObjectStore,
    path: &Path,
    product: Product<Packed>,
) -> Result<Packed, BackupError> {
    let mut parts = Parts { product, rest: Bytes::new(), taken: 0 };
    let first = parts.next().await?;
    if first.content_length() < PART {
        store.put(path, first).await.map_err(BackupError::of_storage)?;
    } else {
        let mut upload = store.put_multipart(path).await.map_err(BackupError::of_storage)?;
        if let Err(error) = send(upload.as_mut(), first, &mut parts).await {
            if let Err(error) = upload.abort().await {
                warn!(%path, %error, "an upload that failed could not be taken back");
            }
            return Err(error);
        }
    }
    parts.product.into_result().ok_or_else(|| BackupError::Dump(std::io::ErrorKind::UnexpectedEof.into()))
}

async fn send(
    upload: &mut dyn MultipartUpload,
    first: PutPayload,
    parts: &mut Parts,
) -> Result<(), BackupError> {
    let mut part = first;
    while part.content_length() > 0 {
        let sent = upload.put_part(part);
        let sent = async { sent.await.map_err(BackupError::of_storage) };
        (_, part) = futures_util::future::try_join(sent, parts.next()).await?;
    }
    upload.complete().await.map(|_| ()).map_err(BackupError::of_storage)
}

/// Gathers chunks until a part is full.
struct Parts {
    product: Product<Packed>,
    /// What of the last chunk was too much for its part: parts are of one size, as some storages want it.
    rest: Bytes,
    taken: usize,
}

impl Parts {
    /// The next part, which only at the end is not full, and empty after it.
    async fn next(&mut self) -> Result<PutPayload, BackupError> {
        let size = PART << (self.taken / PARTS_OF_A_SIZE);
        let (mut chunks, mut length) = (Vec::new(), 0);
        while length < size {
            let mut chunk = std::mem::take(&mut self.rest);
            if chunk.is_empty() {
                let Some(next) = self.product.next().await.map_err(broken_off)? else { break };
                chunk = next;
            }
            self.rest = chunk.split_off(chunk.len().min(size - length));
            length += chunk.len();
            chunks.push(chunk);
        }
        self.taken += 1;
        Ok(PutPayload::from_iter(chunks))
    }
}

fn broken_off(error: std::io::Error) -> BackupError {
    match BackupError::from_io(error) {
        BackupError::Malformed(error) => BackupError::Dump(error),
        ours => ours,
    }
}
