//! A request's body on its way to an instance: passed on frame by frame, held back until it is asked for, counted,
//! and remembered where it may have to be sent again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, SizeHint};

use crate::body::BodyError;
use crate::client_body::ClientBody;
use crate::deadline::Deadline;
use crate::memory::Counted;
use crate::progress::Progress;
use crate::replay::{self, Beginning, Replay};
use crate::spool::Spool;

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
    /// What an earlier attempt has read already.
    again: VecDeque<Bytes>,
    /// What the next attempt would need of this one.
    replay: Option<Replay>,
    /// Where its bytes are counted.
    counted: Option<Counted>,
}

/// Where a request's body comes from.
#[derive(Debug, Default)]
pub(crate) enum Source {
    /// There is nothing to send.
    #[default]
    Nothing,
    /// What the client sends. In a box, so that the many requests that send nothing are smaller by it.
    Client(Box<ClientBody>),
    /// What the client has sent, the whole of it unless it is too large for that.
    Kept(Spool),
}

/// Holds a body back until the instance asks for it with 100.
///
/// The client is told to go on as soon as its body is read, so not reading it is how an answer without a body
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
        let source = if body.is_end_stream() { Source::Nothing } else { Source::Client(Box::new(body)) };
        progress.set_held(gate.is_some());
        let mut body = Self::of(source, progress);
        body.gate = gate.map(|gate| (gate, Deadline::default()));
        body
    }

    /// A body that was taken before an instance is asked.
    pub(crate) fn kept(body: Spool, progress: Rc<Progress>) -> Self {
        Self::of(Source::Kept(body), progress)
    }

    fn of(source: Source, progress: Rc<Progress>) -> Self {
        Self { source, progress, gate: None, again: VecDeque::new(), replay: None, counted: None }
    }

    /// What holds it back, if anything does.
    pub(crate) fn gate(&self) -> Option<Arc<ContinueGate>> {
        self.gate.as_ref().map(|(gate, _)| Arc::clone(gate))
    }

    /// What its request's two sides tell each other.
    pub(crate) fn progress(&self) -> &Rc<Progress> {
        &self.progress
    }

    /// Counts its bytes, if there may be any.
    pub(crate) fn count(&mut self, counted: impl FnOnce() -> Counted) {
        self.counted = if self.is_empty() { None } else { Some(counted()) };
    }

    /// Begins to keep what is needed to send it again, unless it is too large for that, or waits to be asked for.
    pub(crate) fn keep(&mut self) -> Option<Replay> {
        let small = self.size_hint().lower() <= replay::LIMIT as u64;
        if small { self.keep_beginning() } else { None }
    }

    /// The same however large it is, where it may be given back before much of it was read.
    pub(crate) fn keep_beginning(&mut self) -> Option<Replay> {
        self.gate.is_none().then(|| self.replay.get_or_insert_default().clone())
    }

    /// Keeps nothing any more: it will not be sent again.
    pub(crate) fn keep_nothing(&mut self) {
        self.replay = None;
    }

    /// Whether it waits to be asked for, so that nothing of it was read.
    pub(crate) fn is_held(&self) -> bool {
        self.gate.is_some()
    }

    /// The same body again, for the same request.
    pub(crate) fn begin_again(beginning: Beginning, progress: &Rc<Progress>) -> Self {
        let Beginning { frames, source, counted } = beginning;
        let mut body = Self::of(source, Rc::clone(progress));
        (body.again, body.counted) = (frames, counted);
        body
    }

    /// Whether there is nothing to send, so that the request could be sent again.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.source, Source::Nothing) && self.again.is_empty()
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
            let frame = Frame::data(data);
            if let Some(replay) = &this.replay {
                replay.keep(&frame);
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        let frame = match &mut this.source {
            Source::Nothing => return Poll::Ready(None),
            Source::Client(body) => ready!(Pin::new(&mut **body).poll_frame(cx)),
            Source::Kept(body) => {
                let frame = ready!(body.poll_frame(cx));
                this.progress.touch();
                frame
            }
        };
        if let Some(Ok(frame)) = &frame {
            if let (Some(counted), Some(data)) = (&this.counted, frame.data_ref()) {
                counted.edit(|counters| counters.received_bytes.add(data.len() as u64));
            }
            if let Some(replay) = &this.replay {
                replay.keep(frame);
            }
        }
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
        self.again.is_empty() && self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.source.size_hint();
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
        if let Some(replay) = self.replay.take() {
            self.again.drain(..).for_each(|data| replay.keep(&Frame::data(data)));
            replay.give_back(std::mem::take(&mut self.source), self.counted.take());
        }
    }
}

impl Source {
    fn is_end(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Client(body) => body.is_end_stream(),
            Self::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Client(body) => body.size_hint(),
            // Its length stands in the request's head, if it is known.
            Self::Kept(_) => SizeHint::default(),
        }
    }
}
