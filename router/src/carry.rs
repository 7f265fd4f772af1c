//! Bytes from one end of a tunnel to the other. It knows nothing of what they mean.
//!
//! tokio's own copying holds a buffer for each direction as long as the tunnel lasts. Most tunnels rest most of the
//! time, and what is read is nearly always taken at once, so that here nothing is held but what was not taken.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is read at a time.
const ROOM: usize = 16 << 10;

/// One direction of a tunnel.
#[derive(Debug)]
pub(crate) struct Carry {
    stage: Stage,
    /// What was read and not yet written.
    waiting: Bytes,
    /// Whether something was written that may not have been sent.
    unsent: bool,
}

#[derive(Debug)]
enum Stage {
    Open,
    /// The reading end has ended, and the writing one is to be told.
    Ended,
    Done,
}

impl Carry {
    /// One that begins with what was read already.
    pub(crate) fn new(waiting: Bytes) -> Self {
        Self { stage: Stage::Open, waiting, unsent: false }
    }

    /// Carries what there is; ready when the end of the one was told to the other. `moved` is set if anything was carried.
    pub(crate) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        moved: &mut bool,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if !self.waiting.is_empty() {
                let count = ready!(poll_write(cx, to, &self.waiting))?;
                self.waiting.advance(count);
                (self.unsent, *moved) = (true, true);
                continue;
            }
            match self.stage {
                Stage::Open => match self.poll_pass(cx, from, to)? {
                    Poll::Ready(()) => *moved = true,
                    Poll::Pending => {
                        if self.unsent {
                            ready!(Pin::new(&mut *to).poll_flush(cx))?;
                            self.unsent = false;
                        }
                        return Poll::Pending;
                    }
                },
                Stage::Ended => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Done;
                }
                Stage::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads once, and writes what is taken of it at once.
    fn poll_pass<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        // On the stack, so that a tunnel that rests has no buffer.
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut buffer = ReadBuf::uninit(&mut room);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled();
        if bytes.is_empty() {
            self.stage = Stage::Ended;
            return Poll::Ready(Ok(()));
        }
        let taken = match poll_write(cx, to, bytes)? {
            Poll::Ready(count) => count,
            Poll::Pending => 0,
        };
        self.unsent = true;
        if let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            self.waiting = Bytes::copy_from_slice(rest);
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes at least one byte.
fn poll_write<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    to: &mut W,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(to).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        count => Poll::Ready(Ok(count)),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// More than is read at a time, through a pipe that takes three bytes at a time.
    #[tokio::test]
    async fn what_is_not_taken_at_once_waits_and_comes_in_order() {
        let ahead = Bytes::from_static(b"ahead ");
        let message: Vec<u8> = (0..3 * ROOM).map(|index| index as u8).collect();
        let (mut client, mut from) = duplex(4 * ROOM);
        let (mut to, mut server) = duplex(3);
        client.write_all(&message).await.unwrap();
        drop(client);
        let mut carry = Carry::new(ahead.clone());
        let mut moved = false;
        let (carried, mut came) = (poll_fn(|cx| carry.poll(cx, &mut from, &mut to, &mut moved)), Vec::new());
        let (carried, read) = tokio::join!(carried, server.read_to_end(&mut came));
        carried.unwrap();
        read.unwrap();
        assert_eq!(came, [&ahead, &message[..]].concat());
        assert!(moved && carry.waiting.is_empty());
    }

    #[tokio::test]
    async fn nothing_moves_where_nothing_comes() {
        let (_client, mut from) = duplex(1);
        let (mut to, _server) = duplex(1);
        let (mut carry, mut moved) = (Carry::new(Bytes::new()), false);
        let polled = poll_fn(|cx| Poll::Ready(carry.poll(cx, &mut from, &mut to, &mut moved))).await;
        assert!(polled.is_pending() && !moved);
    }
}
