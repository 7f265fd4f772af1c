//! The bodies of answers on their way through: passed on frame by frame, never collected.
//!
//! They are thin on purpose. What they add is what has to happen when a body ends, and it happens in `Drop`,
//! because a body may end in three ways (its end, an error, being given up) and must be accounted for in each.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::spawn_local;

use crate::client_stream::ConnectionFlags;
use crate::deadline::Deadline;
use crate::delivery::Delivery;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::InFlight;
use crate::instance_body::InstanceBody;
use crate::pool::Pool;
use crate::pool::lease::Lease;
use crate::progress::Progress;

/// What ends a body before its end.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

/// How long the rest of a request may take after its answer has ended.
pub(crate) const AFTER_ANSWER: Duration = Duration::from_secs(5);

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
    pub(crate) incoming: InstanceBody,
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
        match self.incoming.poll_frame(cx) {
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

    fn fail(&mut self, fault: Fault, error: Option<BodyError>) -> BodyError {
        self.exchange.set_fault(fault);
        self.progress.set_answer_fault(fault);
        error.unwrap_or_else(|| fault.description().into())
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
        if self.progress.is_held() {
            // The client was never asked for its body and has its answer: nothing more will come.
            lease.abort();
        } else if self.progress.is_request_sent() || lease.is_shared() {
            // What is still being sent over HTTP/2 has a limit of its own.
            self.pool.put(lease);
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
