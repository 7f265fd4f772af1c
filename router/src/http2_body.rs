//! The body of a client's request over HTTP/2, asked for where the client waits for that.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderMap};
use hyper::{Response, StatusCode};

use crate::interims::stream::StreamInterims;
use crate::received::Received;

/// What comes after a request's head.
#[derive(Debug)]
pub(crate) struct Http2Body {
    received: Received,
    /// Whether the client waits to be asked for it.
    expected: bool,
    interims: Arc<StreamInterims>,
}

impl Http2Body {
    pub(crate) fn new(stream: RecvStream, headers: &HeaderMap, interims: Arc<StreamInterims>) -> Self {
        let expected = headers.contains_key(header::EXPECT);
        Self { received: Received::new(stream, headers), expected, interims }
    }

    /// Where interim answers to the request go.
    pub(crate) fn interims(&self) -> &Arc<StreamInterims> {
        &self.interims
    }

    /// The next part.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let polled = self.received.poll_frame(cx);
        if polled.is_pending() {
            self.ask();
        } else {
            self.expected = false;
        }
        polled
    }

    /// Asks for the body, unless it comes by itself. To read it is to want it, as with hyper over HTTP/1.1.
    fn ask(&mut self) {
        if std::mem::take(&mut self.expected) {
            let mut answer = Response::new(());
            *answer.status_mut() = StatusCode::CONTINUE;
            self.interims.push(answer);
        }
    }

    /// Whether nothing more comes.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    /// How much more comes at least.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::default();
        hint.set_lower(self.received.left().unwrap_or_default());
        hint
    }
}
