//! The body of an instance's answer as it comes off its connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::body::BodyError;
use crate::received::Received;

/// In the hands of whatever reads the connection.
#[derive(Debug)]
pub(crate) enum InstanceBody {
    /// hyper.
    Http1(Incoming),
    /// h2. In a box, since most apps speak HTTP/1.1.
    Http2(Box<Received>),
}

impl InstanceBody {
    /// An answer over HTTP/2.
    pub(crate) fn http2(answer: Response<h2::RecvStream>) -> Response<Self> {
        let (head, stream) = answer.into_parts();
        let received = Received::new(stream, &head.headers);
        Response::from_parts(head, Self::Http2(Box::new(received)))
    }

    /// The next part.
    #[inline]
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Http1(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Http2(body) => body.poll_frame(cx).map_err(BodyError::from),
        }
    }

    /// Whether nothing more comes.
    #[inline]
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    /// How much more comes.
    #[inline]
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => match body.left() {
                // Even if the head says otherwise, as in an answer to HEAD.
                _ if body.is_end_stream() => SizeHint::with_exact(0),
                Some(left) => SizeHint::with_exact(left),
                None => SizeHint::default(),
            },
        }
    }
}
