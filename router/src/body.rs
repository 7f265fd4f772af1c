//! The bodies of requests and answers on their way through: passed on frame by frame, never collected.
//!
//! They are thin on purpose. What they add is what has to happen when a body ends, and it happens in `Drop`,
//! because a body may end in three ways (its end, an error, being given up) and must be accounted for in each.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::task::spawn_local;

use crate::client_stream::ConnectionFlags;
use crate::deadline::Deadline;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::InFlight;
use crate::memory::Counted;
use crate::pool::{Lease, Pool};
use crate::progress::Progress;
use crate::replay::{self, Beginning, Kept};

/// What ends a body before its end.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

/// How long the rest of a request may take after its answer has ended.
const AFTER_ANSWER: Duration = Duration::from_secs(5);

/// How long a client that expects 100 waits for an instance that says nothing.
///
/// RFC 9110, section 10.1.1 leaves it to us; curl waits a second before it sends its body anyway.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// The body of a request, on its way to an instance.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// `None` where there is nothing to send.
    incoming: Option<Incoming>,
    progress: Rc<Progress>,
    gate: Option<(Arc<ContinueGate>, Deadline)>,
    /// What an earlier attempt has read already.
    again: VecDeque<Bytes>,
    /// What the next attempt would need of this one.
    kept: Option<Kept>,
    /// Where its bytes are counted.
    counted: Option<Counted>,
}

/// Holds a body back until the instance asks for it with 100.
///
/// hyper tells its client to go on as soon as the body is read, so not reading it is how an answer without a body
/// (401, 413) reaches a client that asked first, and spares it the upload.
#[derive(Debug, Default)]
pub(crate) struct ContinueGate {
    open: AtomicBool,
    waker: AtomicWaker,
}

impl ContinueGate {
    /// Lets the body through.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, progress: Rc<Progress>, gate: Option<Arc<ContinueGate>>) -> Self {
        let incoming = Some(incoming).filter(|incoming| !incoming.is_end_stream());
        progress.set_held(gate.is_some());
        Self {
            incoming,
            progress,
            gate: gate.map(|gate| (gate, Deadline::default())),
            again: VecDeque::new(),
            kept: None,
            counted: None,
        }
    }

    /// Whether there is nothing to send, so that the request could be sent again.
    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_none() && self.again.is_empty()
    }

    /// Counts its bytes, if there may be any.
    pub(crate) fn count(&mut self, counted: impl FnOnce() -> Counted) {
        self.counted = self.incoming.as_ref().map(|_| counted());
    }

    /// Begins to keep what is needed to send it again, unless it is too large for that, or waits to be asked for.
    pub(crate) fn keep(&mut self) -> Option<Kept> {
        let small = self.size_hint().lower() <= replay::LIMIT as u64;
        (small && self.gate.is_none()).then(|| self.kept.insert(Kept::default()).clone())
    }

    /// The same body again, for the same request.
    pub(crate) fn begin_again(beginning: Beginning, progress: &Rc<Progress>) -> Self {
        let Beginning { frames, incoming, counted } = beginning;
        Self { incoming, progress: Rc::clone(progress), gate: None, again: frames, kept: None, counted }
    }

    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((gate, deadline)) = &mut self.gate {
            gate.waker.register(cx.waker());
            if !gate.open.load(Ordering::Acquire) && deadline.poll_expired(cx, CONTINUE_WAIT).is_pending() {
                return Poll::Pending;
            }
            self.gate = None;
            self.progress.set_held(false);
        }
        Poll::Ready(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        ready!(this.poll_gate(cx));
        if let Some(data) = this.again.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            if let (Some(counted), Some(data)) = (&this.counted, frame.data_ref()) {
                counted.edit(|counters| counters.received_bytes.add(data.len() as u64));
            }
            if let Some(kept) = &this.kept {
                kept.keep(frame);
            }
        }
        this.progress.touch();
        match &frame {
            None => this.progress.set_request_sent(),
            Some(Ok(frame)) if frame.is_trailers() || incoming.is_end_stream() => {
                this.progress.set_request_sent();
            }
            Some(Ok(_)) => {}
            Some(Err(_)) => this.progress.set_client_failed(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.again.is_empty() && self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.as_ref().map_or(SizeHint::with_exact(0), Incoming::size_hint);
        let again: u64 = self.again.iter().map(|data| data.len() as u64).sum();
        if again > 0 {
            // The upper end first: the two may never cross.
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper + again);
            }
            hint.set_lower(hint.lower() + again);
        }
        hint
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take() {
            kept.give_back(self.incoming.take(), self.counted.take());
        }
    }
}

/// The body of an answer, on its way to a client.
#[derive(Debug)]
pub(crate) struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    /// The router's own page, until it is taken.
    Page(Option<Bytes>),
    /// An instance's answer.
    Upstream(Box<UpstreamBody>),
}

/// An instance's answer and everything that its end releases.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    /// The answer.
    pub(crate) incoming: Incoming,
    /// The connection it comes on.
    pub(crate) lease: Option<Lease>,
    /// Where the connection goes afterwards.
    pub(crate) pool: Rc<Pool>,
    /// The count of requests at the instance, held until the answer ends.
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) in_flight: InFlight,
    /// The record.
    pub(crate) exchange: Exchange,
    /// The request's side.
    pub(crate) progress: Rc<Progress>,
    /// The socket's side.
    pub(crate) flags: Arc<ConnectionFlags>,
    /// The longest pause.
    pub(crate) idle: Duration,
    /// The wait for the next frame.
    pub(crate) deadline: Deadline,
    /// Whether the end was seen.
    pub(crate) ended: bool,
}

impl ResponseBody {
    /// A page of the router's own.
    pub(crate) fn page(page: Bytes) -> Self {
        Self(Kind::Page(Some(page)))
    }

    /// No body.
    pub(crate) fn empty() -> Self {
        Self(Kind::Page(None))
    }

    /// An instance's answer.
    pub(crate) fn upstream(body: UpstreamBody) -> Self {
        Self(Kind::Upstream(Box::new(body)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.get_mut().0 {
            Kind::Page(page) => Poll::Ready(page.take().map(|page| Ok(Frame::data(page)))),
            Kind::Upstream(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Page(page) => page.is_none(),
            Kind::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Page(page) => SizeHint::with_exact(page.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Upstream(body) => body.incoming.size_hint(),
        }
    }
}

impl UpstreamBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => {
                while self.deadline.poll_expired(cx, self.idle).is_ready() {
                    // An app may have begun its answer and be reading a long upload before it goes on.
                    if !self.progress.moved_within(self.idle) {
                        return Poll::Ready(Some(Err(self.fail(Fault::IdleTimeout, None))));
                    }
                    self.deadline.clear();
                }
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.deadline.clear();
                match frame.data_ref() {
                    Some(data) => self.exchange.add_bytes(data.len() as u64),
                    None => self.ended = true,
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(self.fail(Fault::Interrupted, Some(error)))))
            }
        }
    }

    fn fail(&mut self, fault: Fault, error: Option<hyper::Error>) -> BodyError {
        self.exchange.set_fault(fault);
        match error {
            Some(error) => error.into(),
            None => fault.description().into(),
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if !self.ended && !self.incoming.is_end_stream() {
            // If nothing failed on the instance's side, it is the client that went away.
            self.exchange.set_fault(Fault::ClientGone);
            lease.abort();
            return;
        }
        self.flags.reset.store(false, Ordering::Relaxed);
        if self.progress.is_request_sent() {
            self.pool.put(lease);
        } else if self.progress.is_held() {
            // The client was never asked for its body and has its answer: nothing more will come.
            lease.abort();
        } else {
            spawn_local(finish_request(lease, Rc::clone(&self.progress)));
        }
    }
}

/// Lets an early answer's request come to its end, but not for ever.
///
/// Some apps answer first and read on; others answer and never read. The second kind would hold the client and
/// its connection for as long as the client wants to send.
async fn finish_request(lease: Lease, progress: Rc<Progress>) {
    progress.wait_request_sent(AFTER_ANSWER).await;
    lease.abort();
}
