//! The body of a message over HTTP/2 as h2 receives it, given on as it is taken.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::Frame;
use hyper::header::{self, HeaderMap, HeaderValue};

/// What comes after a message's head.
#[derive(Debug)]
pub(crate) struct Received {
    stream: RecvStream,
    /// Bytes that are still to come, where the head says so: h2 refuses more and less.
    left: Option<u64>,
    /// Whether only trailers may still come.
    data_ended: bool,
}

impl Received {
    /// What comes after a head with these headers.
    pub(crate) fn new(stream: RecvStream, headers: &HeaderMap) -> Self {
        let left = headers.get(header::CONTENT_LENGTH).and_then(length);
        Self { stream, left, data_ended: false }
    }

    /// The next part.
    ///
    /// A reset is an error whatever its reason: a message of which a part is missing must not look whole. One that
    /// follows the end of the message, as of an answer that came early (RFC 9113, section 8.1), h2 does not tell here.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => return Poll::Ready(Some(Ok(self.take(data)))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn take(&mut self, data: Bytes) -> Frame<Bytes> {
        let length = data.len();
        self.left = self.left.map(|left| left.saturating_sub(length as u64));
        // The other side may send as much again.
        if let Err(error) = self.stream.flow_control().release_capacity(length) {
            tracing::trace!(%error, "a message over HTTP/2 was given up");
        }
        Frame::data(data)
    }

    /// Whether nothing more comes.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// How much more comes, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.left
    }
}

fn length(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}
