//! Backups: a stream of bytes, compressed, encrypted on request, checksummed, to a directory or an S3-compatible
//! storage, and back. Nothing lies on the disk on the way, and memory is bounded however large the stream.
//!
//! Where the bytes come from and go to is not known here: no engine, no container, no record of a service. Beside
//! each backup lies a sidecar, which says all that another server needs to restore it from the storage alone.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

mod blocking;
pub mod destination;
pub mod encryption;
pub mod error;
pub mod pack;
pub mod retention;
pub mod shelf;
pub mod sidecar;
mod storage;
pub mod unpack;
mod upload;

/// Bytes on their way. An error is not followed by anything, and an end without one is the end of all of them.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
