//! From what is stored back to the dump. That it is what once was stored is known at its end only, and then a wrong
//! one is an error: whoever reads takes nothing for good before the end.

use std::io::{self, BufReader, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use zstd::Decoder;

use crate::backups::ByteStream;
use crate::backups::blocking::{CHUNK, ChunkWriter, Product};
use crate::backups::encryption::Key;
use crate::backups::error::BackupError;
use crate::backups::pack::hexadecimal;

/// Reads a dump out of what is stored. Ends with an error that holds a [`BackupError`] where the checksum is not
/// `sha256` or the bytes are no backup.
pub fn unpack(stored: ByteStream, sha256: String, key: Option<Key>) -> ByteStream {
    let product = Product::start(stored, CancellationToken::new(), move |stored, chunks| {
        let mut stored = BufReader::with_capacity(CHUNK, Digested::new(stored));
        let unpacked = match &key {
            None => decompress(&mut stored, chunks),
            Some(key) => match key.decrypt(&mut stored) {
                Ok(decrypted) => decompress(decrypted, chunks),
                Err(error) => Err(error.into_io()),
            },
        };
        verdict(unpacked, stored, &sha256)
    });
    Box::pin(stream_of(product))
}

/// Reads all that is stored and says whether its checksum is right, without a key.
pub async fn check_sum(mut stored: ByteStream, sha256: &str) -> Result<(), BackupError> {
    let mut digest = Context::new(&SHA256);
    while let Some(chunk) = stored.next().await {
        digest.update(&chunk.map_err(BackupError::from_io)?);
    }
    if hexadecimal(digest.finish().as_ref()) == sha256 { Ok(()) } else { Err(BackupError::Checksum) }
}

fn decompress(stored: impl Read, mut chunks: ChunkWriter) -> io::Result<()> {
    let mut decoder = Decoder::new(stored)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = decoder.read(&mut buffer)?;
        if length == 0 {
            return chunks.flush();
        }
        chunks.write_all(buffer.get(..length).unwrap_or_default())?;
    }
}

/// The checksum decides: where the bytes are not those stored, that is why a decoder stumbled.
fn verdict(
    unpacked: io::Result<()>,
    mut stored: BufReader<Digested<impl Read>>,
    sha256: &str,
) -> io::Result<()> {
    let stumbled = match unpacked {
        Err(error) if is_of_the_way(&error) => return Err(error),
        other => other.err(),
    };
    io::copy(&mut stored, &mut io::sink())?;
    if stored.into_inner().finish() != sha256 {
        return Err(BackupError::Checksum.into_io());
    }
    stumbled.map_or(Ok(()), |error| Err(BackupError::from_io(error).into_io()))
}

/// Whether the storage failed, or nobody reads any more: then nothing is known of the bytes.
fn is_of_the_way(error: &io::Error) -> bool {
    let gone = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted);
    let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<BackupError>());
    gone || ours.is_some_and(|error| !matches!(error, BackupError::WrongKey | BackupError::Malformed(_)))
}

fn stream_of(product: Product<()>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(product, |mut product| async move {
        Ok(product.next().await?.map(|chunk| (chunk, product)))
    })
}

/// Digests what is read through it.
struct Digested<R> {
    stored: R,
    digest: Context,
}

impl<R> Digested<R> {
    fn new(stored: R) -> Self {
        Self { stored, digest: Context::new(&SHA256) }
    }

    fn finish(self) -> String {
        hexadecimal(self.digest.finish().as_ref())
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stored.read(buffer)?;
        self.digest.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}
