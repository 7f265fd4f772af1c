//! A request's body as it comes from its client: measured, and given up where the client stops.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::body::BodyError;
use crate::deadline::Deadline;
use crate::fault::Fault;
use crate::http2_body::Http2Body;
use crate::interims::stream::StreamInterims;
use crate::policy::Policy;
use crate::progress::Progress;

/// A request's body in the hands of whatever reads its connection.
#[derive(Debug, Default)]
pub(crate) enum RawBody {
    /// Nobody any more.
    #[default]
    Taken,
    /// hyper.
    Http1(Incoming),
    /// h2.
    Http2(Http2Body),
}

/// Why a body cannot be read.
struct Broken {
    fault: Fault,
    error: BodyError,
}

/// What a client sends after its request's head.
///
/// Its errors say nothing to whoever reads it; what happened is noted in the progress, for the answer.
#[derive(Debug)]
pub(crate) struct ClientBody {
    raw: RawBody,
    progress: Rc<Progress>,
    /// Bytes that may still come.
    left: u64,
    /// The longest pause.
    idle: Duration,
    deadline: Deadline,
}

impl RawBody {
    /// Where interim answers to its request go, if it has a place of its own for them.
    pub(crate) fn interims(&self) -> Option<&Arc<StreamInterims>> {
        match self {
            Self::Taken | Self::Http1(_) => None,
            Self::Http2(body) => Some(body.interims()),
        }
    }

    /// Whether nothing more comes.
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Taken => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Taken => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Taken => Poll::Ready(None),
            Self::Http1(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|error| Broken { fault: fault_of(&error), error: error.into() }),
            Self::Http2(body) => {
                body.poll_frame(cx).map_err(|error| Broken { fault: Fault::ClientGone, error: error.into() })
            }
        }
    }
}

impl ClientBody {
    pub(crate) fn new(raw: RawBody, progress: Rc<Progress>, policy: &Policy) -> Self {
        let left = policy.bodies.max_request_bytes.unwrap_or(u64::MAX);
        Self { raw, progress, left, idle: policy.timeouts.body, deadline: Deadline::default() }
    }

    fn measure(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(self.fail(Fault::BodyTooLarge)),
        }
    }

    fn fail(&self, fault: Fault) -> BodyError {
        self.progress.set_client_fault(fault);
        fault.description().into()
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = this.raw.poll_frame(cx) else {
            this.progress.set_waiting_for_client(true);
            ready!(this.deadline.poll_expired(cx, this.idle));
            return Poll::Ready(Some(Err(this.fail(Fault::ClientStalled))));
        };
        this.deadline.clear();
        this.progress.touch();
        this.progress.set_waiting_for_client(false);
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(this.measure(frame)),
            Some(Err(broken)) => {
                this.progress.set_client_fault(broken.fault);
                Some(Err(broken.error))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.raw.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.raw.size_hint()
    }
}

/// Why hyper cannot read a body: because it is no valid body, as hyper says by these two kinds, or because its client
/// has gone.
fn fault_of(error: &hyper::Error) -> Fault {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            Fault::BadRequest("The request's body is not valid")
        }
        _ => Fault::ClientGone,
    }
}
