//! The bodies of requests and answers on their way through: passed on frame by frame, never collected.
//!
//! They are thin on purpose. What they add is what has to happen when a body ends, and it happens in `Drop`,
//! because a body may end in three ways (its end, an error, being given up) and must be accounted for in each.

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

use crate::client_body::ClientBody;
use crate::client_stream::ConnectionFlags;
use crate::deadline::Deadline;
use crate::delivery::Delivery;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::InFlight;
use crate::pool::Pool;
use crate::pool::lease::Lease;
use crate::progress::Progress;
use crate::spool::Spool;

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
    source: Source,
    progress: Rc<Progress>,
    gate: Option<(Arc<ContinueGate>, Deadline)>,
}

#[derive(Debug)]
enum Source {
    /// There is nothing to send.
    Nothing,
    /// What the client sends.
    Client(ClientBody),
    /// What the client has sent, the whole of it unless it is too large for that.
    Kept(Spool),
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
    pub(crate) fn new(body: ClientBody, progress: Rc<Progress>, gate: Option<Arc<ContinueGate>>) -> Self {
        let source = if body.is_end_stream() { Source::Nothing } else { Source::Client(body) };
        progress.set_held(gate.is_some());
        Self { source, progress, gate: gate.map(|gate| (gate, Deadline::default())) }
    }

    /// A body that was taken before an instance is asked.
    pub(crate) fn kept(body: Spool, progress: Rc<Progress>) -> Self {
        Self { source: Source::Kept(body), progress, gate: None }
    }

    /// Another body, for the same request, of which `is_empty` is true.
    pub(crate) fn again(&self) -> Self {
        Self { source: Source::Nothing, progress: Rc::clone(&self.progress), gate: None }
    }

    /// Whether there is nothing to send, so that the request could be sent again.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.source, Source::Nothing)
    }

    /// Lets the body through although nobody asked for it: where an instance's 100 could not be heard.
    pub(crate) fn go_on(&mut self) {
        if self.gate.take().is_some() {
            self.progress.set_held(false);
        }
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
        let frame = match &mut this.source {
            Source::Nothing => return Poll::Ready(None),
            Source::Client(body) => ready!(Pin::new(body).poll_frame(cx)),
            Source::Kept(body) => {
                let frame = ready!(body.poll_frame(cx));
                this.progress.touch();
                frame
            }
        };
        if match &frame {
            None => true,
            Some(Ok(frame)) => frame.is_trailers() || this.is_end_stream(),
            Some(Err(_)) => false,
        } {
            this.progress.set_request_sent();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Nothing => true,
            Source::Client(body) => body.is_end_stream(),
            Source::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Nothing => SizeHint::with_exact(0),
            Source::Client(body) => body.size_hint(),
            // Its length stands in the request's head, if it is known.
            Source::Kept(_) => SizeHint::default(),
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
    /// The same, changed or kept on its way.
    Delivery(Box<Delivery>),
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

    /// An instance's answer, changed or kept on its way.
    pub(crate) fn delivery(delivery: Delivery) -> Self {
        Self(Kind::Delivery(Box::new(delivery)))
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
            Kind::Delivery(delivery) => Pin::new(&mut **delivery).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Page(page) => page.is_none(),
            Kind::Upstream(body) => body.incoming.is_end_stream(),
            Kind::Delivery(delivery) => delivery.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Page(page) => SizeHint::with_exact(page.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Upstream(body) => body.incoming.size_hint(),
            Kind::Delivery(delivery) => delivery.size_hint(),
        }
    }
}

impl UpstreamBody {
    /// The next part of the answer.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
                // A connection is given up in the middle of an answer if the rest of its request does not come.
                let fault = self.progress.client_fault().unwrap_or(Fault::Interrupted);
                Poll::Ready(Some(Err(self.fail(fault, Some(error)))))
            }
        }
    }

    fn fail(&mut self, fault: Fault, error: Option<hyper::Error>) -> BodyError {
        self.exchange.set_fault(fault);
        self.progress.set_answer_fault(fault);
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
