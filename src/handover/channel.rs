//! A stream of messages with descriptors between two servers on the same host.
//!
//! A frame is its length (four bytes, big endian, of the JSON text), the number of its descriptors (one byte), and
//! the text. The descriptors come with the frame's first byte (`unix(7)`, `SCM_RIGHTS`).

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net;

use bytes::{Buf, BufMut, BytesMut};
use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

/// The longest text. A thousand containers' ids have room in it.
const LONGEST: usize = 1 << 20;
/// Descriptors in one frame. The kernel's own limit is 253.
pub const MOST_DESCRIPTORS: usize = 64;
/// Bytes before the text.
const HEAD: usize = 5;

/// One end of the stream.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    bytes: BytesMut,
    descriptors: VecDeque<OwnedFd>,
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The stream failed.
    #[error("the stream between the servers failed")]
    Io(#[from] io::Error),
    /// What came is no message that this version knows.
    #[error("the other server says something that this one does not understand")]
    Message(#[from] serde_json::Error),
    /// It is longer, or comes with more or fewer descriptors, than it may.
    #[error("the other server's message has a form that is not allowed")]
    Form,
    /// The other server has closed the stream: it is gone.
    #[error("the other server is gone")]
    Ended,
}

impl Channel {
    /// Takes one end of a pair of streams.
    pub fn new(stream: net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        Ok(Self { stream, bytes: BytesMut::new(), descriptors: VecDeque::new() })
    }

    /// A second handle on this end, to be given to yet another server.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.stream.as_fd().try_clone_to_owned()
    }

    /// Sends a message. Not to be cancelled.
    pub async fn send<T: Serialize>(
        &mut self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        let text = serde_json::to_vec(message)?;
        let count = u8::try_from(descriptors.len()).map_err(|_| ChannelError::Form)?;
        let length = u32::try_from(text.len()).map_err(|_| ChannelError::Form)?;
        if text.len() > LONGEST || descriptors.len() > MOST_DESCRIPTORS {
            return Err(ChannelError::Form);
        }
        let mut frame = BytesMut::with_capacity(HEAD + text.len());
        frame.put_u32(length);
        frame.put_u8(count);
        frame.put_slice(&text);
        let sent =
            self.stream.async_io(Interest::WRITABLE, || send(&self.stream, &frame, descriptors)).await?;
        frame.advance(sent.min(frame.len()));
        Ok(self.stream.write_all_buf(&mut frame).await?)
    }

    /// Waits for the next message. May be cancelled: what has come is kept.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<(T, Vec<OwnedFd>), ChannelError> {
        loop {
            if let Some((text, count)) = self.take_frame()? {
                let message = serde_json::from_slice(&text)?;
                if self.descriptors.len() < count {
                    return Err(ChannelError::Form);
                }
                return Ok((message, self.descriptors.drain(..count).collect()));
            }
            let (stream, bytes, descriptors) = (&self.stream, &mut self.bytes, &mut self.descriptors);
            let read = stream.async_io(Interest::READABLE, || receive(stream, bytes, descriptors)).await?;
            if read == 0 {
                return Err(ChannelError::Ended);
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<(BytesMut, usize)>, ChannelError> {
        let mut head: &[u8] = &self.bytes;
        let (Ok(length), Ok(count)) = (head.try_get_u32(), head.try_get_u8()) else { return Ok(None) };
        let (length, count) = (length as usize, usize::from(count));
        if length > LONGEST || count > MOST_DESCRIPTORS {
            return Err(ChannelError::Form);
        }
        if self.bytes.len() < HEAD + length {
            return Ok(None);
        }
        self.bytes.advance(HEAD);
        Ok(Some((self.bytes.split_to(length), count)))
    }
}

fn send(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

fn receive(
    stream: &UnixStream,
    bytes: &mut BytesMut,
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = [0; 4096];
    let received =
        recvmsg(stream, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    bytes.extend_from_slice(buffer.get(..received.bytes).unwrap_or_default());
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Channel, Channel) {
        let (one, other) = net::UnixStream::pair().unwrap();
        (Channel::new(one).unwrap(), Channel::new(other).unwrap())
    }

    #[tokio::test]
    async fn messages_arrive_whole_each_with_its_own_descriptors() {
        let (mut one, mut other) = pair();
        let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let long = "x".repeat(300_000);
        let sending = async {
            one.send(&long, &[]).await.unwrap();
            one.send(&1, &[listeners[0].as_fd(), listeners[1].as_fd()]).await.unwrap();
            one.send(&2, &[listeners[2].as_fd()]).await.unwrap();
        };
        let receiving = async {
            assert_eq!(other.receive::<String>().await.unwrap().0, long);
            for (number, which) in [(1, 0..2), (2, 2..3)] {
                let (message, descriptors) = other.receive::<i32>().await.unwrap();
                assert_eq!(message, number);
                let address = |socket: OwnedFd| TcpListener::from(socket).local_addr().unwrap();
                let received: Vec<_> = descriptors.into_iter().map(address).collect();
                let sent: Vec<_> = listeners[which].iter().map(|own| own.local_addr().unwrap()).collect();
                assert_eq!(received, sent);
            }
        };
        tokio::join!(sending, receiving);
        drop(one);
        assert!(matches!(other.receive::<i32>().await, Err(ChannelError::Ended)));
    }

    #[tokio::test]
    async fn what_is_too_long_or_no_message_is_refused() {
        for bytes in
            [&[0xff; 16][..], &[0, 0, 0, 1, 200, b'1'], &[0, 0, 0, 1, 1, b'1'], &[0, 0, 0, 1, 0, b'{']]
        {
            let (mut one, other) = net::UnixStream::pair().unwrap();
            one.write_all(bytes).unwrap();
            let error = Channel::new(other).unwrap().receive::<i32>().await.unwrap_err();
            assert!(matches!(error, ChannelError::Form | ChannelError::Message(_)), "{error}");
        }
    }
}
