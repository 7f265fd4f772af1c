//! The body of a client's request over HTTP/2: what h2 has received, given on as it is taken, and asked for where the
//! client waits for that.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use crate::interims::stream::StreamInterims;

/// What comes after a request's head.
#[derive(Debug)]
pub(crate) struct Http2Body {
    stream: RecvStream,
    /// Bytes that are still to come, as far as the head says so: h2 refuses less.
    left: u64,
    /// Whether only trailers may still come.
    data_ended: bool,
    /// Whether the client waits to be asked for it.
    expected: bool,
    interims: Arc<StreamInterims>,
}

impl Http2Body {
    pub(crate) fn new(stream: RecvStream, headers: &HeaderMap, interims: Arc<StreamInterims>) -> Self {
        let left = headers.get(header::CONTENT_LENGTH).and_then(length).unwrap_or_default();
        let expected = headers.contains_key(header::EXPECT);
        Self { stream, left, data_ended: false, expected, interims }
    }

    /// Where interim answers to the request go.
    pub(crate) fn interims(&self) -> &Arc<StreamInterims> {
        &self.interims
    }

    /// The next part.
    ///
    /// A reset is an error whatever its reason: a request of which a part is missing must not look whole.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            let Poll::Ready(data) = self.stream.poll_data(cx) else {
                self.ask();
                return Poll::Pending;
            };
            self.expected = false;
            match data {
                Some(Ok(data)) => return Poll::Ready(Some(Ok(self.take(data)))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    /// Asks for the body, unless it comes by itself. To read it is to want it, as with hyper over HTTP/1.1.
    fn ask(&mut self) {
        if std::mem::take(&mut self.expected) {
            let mut answer = Response::new(());
            *answer.status_mut() = StatusCode::CONTINUE;
            self.interims.push(answer);
        }
    }

    fn take(&mut self, data: Bytes) -> Frame<Bytes> {
        let length = data.len();
        self.left = self.left.saturating_sub(length as u64);
        // The client may send as much again.
        if let Err(error) = self.stream.flow_control().release_capacity(length) {
            tracing::trace!(%error, "a request's body was given up");
        }
        Frame::data(data)
    }

    /// Whether nothing more comes.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// How much more comes at least.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::default();
        hint.set_lower(self.left);
        hint
    }
}

fn length(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}
