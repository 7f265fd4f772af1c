//! From a dump to what is stored: zstd, then age where it is to be encrypted, and the checksum of the result.

use std::io::{self, BufReader, Write};

use aws_lc_rs::digest::{Context, SHA256};
use tokio_util::sync::CancellationToken;
use zstd::Encoder;

use crate::backups::ByteStream;
use crate::backups::blocking::{BlockingReader, CHUNK, ChunkWriter, Product};
use crate::backups::encryption::Encryption;

/// zstd's own default: about a third of a dump's size at the speed of a database that dumps.
const LEVEL: i32 = 3;

/// What is known of a dump once all of it went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// How long the dump was.
    pub dump_bytes: u64,
    /// How long it is as it is stored.
    pub stored_bytes: u64,
    /// SHA-256 of it as it is stored, in hexadecimal digits.
    pub sha256: String,
}

/// Packs a dump while it arrives, until it is `unwanted`. An error of the dump is an error of the product, so that half
/// a dump never looks like a whole one.
pub fn pack(dump: ByteStream, encryption: Encryption, unwanted: CancellationToken) -> Product<Packed> {
    Product::start(dump, unwanted, move |dump, chunks| {
        let stored = Digesting::new(chunks);
        let (dump_bytes, stored) = match encryption.encryptor()? {
            None => compress(dump, stored)?,
            Some(encryptor) => {
                let (length, encrypted) = compress(dump, encryptor.wrap_output(stored)?)?;
                (length, encrypted.finish()?)
            }
        };
        let (stored_bytes, sha256, mut chunks) = stored.finish();
        chunks.flush()?;
        Ok(Packed { dump_bytes, stored_bytes, sha256 })
    })
}

fn compress<W: Write>(dump: BlockingReader, into: W) -> io::Result<(u64, W)> {
    let mut encoder = Encoder::new(into, LEVEL)?;
    encoder.include_checksum(true)?;
    let length = io::copy(&mut BufReader::with_capacity(CHUNK, dump), &mut encoder)?;
    Ok((length, encoder.finish()?))
}

/// Counts and digests what is written through it.
struct Digesting {
    chunks: ChunkWriter,
    digest: Context,
    length: u64,
}

impl Digesting {
    fn new(chunks: ChunkWriter) -> Self {
        Self { chunks, digest: Context::new(&SHA256), length: 0 }
    }

    fn finish(self) -> (u64, String, ChunkWriter) {
        (self.length, hexadecimal(self.digest.finish().as_ref()), self.chunks)
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.chunks.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or(bytes));
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.chunks.flush()
    }
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
