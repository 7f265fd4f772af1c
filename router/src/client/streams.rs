//! The streams of one HTTP/2 connection: each is a request and its answer, on a task of its own, and the connection
//! knows what its client does with them.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use hyper::body::Body;
use hyper::{Method, Request, Response};
use pin_project_lite::pin_project;
use tokio::task::spawn_local;

use crate::body::ResponseBody;
use crate::client::Client;
use crate::client_body::RawBody;
use crate::http2_answer::as_http2;
use crate::http2_body::Http2Body;
use crate::http2_request::as_http1;
use crate::interims::stream::StreamInterims;
use crate::proxy;
use crate::pump::{Outcome, Pump};

/// Requests that a client may give up on a connection beyond those whose answers it took.
///
/// Each costs an instance a request whose answer nobody wants ("rapid reset", CVE-2023-44487). A person who leaves
/// pages before they are loaded gives up some tens of each; after as many as this the client has to connect anew.
const MAX_GIVEN_UP: u64 = 1000;

/// The streams of one connection.
#[derive(Debug)]
pub(crate) struct Streams {
    open: Cell<usize>,
    given_up: Cell<u64>,
    /// For a client that has stopped reading.
    write: Duration,
}

impl Streams {
    pub(crate) fn new(write: Duration) -> Rc<Self> {
        Rc::new(Self { open: Cell::default(), given_up: Cell::default(), write })
    }

    /// Whether no request is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.get() == 0
    }

    /// Whether the client gives up requests in a way that no honest client does.
    pub(crate) fn is_abused(&self) -> bool {
        self.given_up.get() > MAX_GIVEN_UP
    }

    /// Begins to answer a request.
    pub(crate) fn begin(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) {
        let (mut parts, body) = request.into_parts();
        as_http1(&mut parts, !body.is_end_stream());
        let is_head = parts.method == Method::HEAD;
        let interims = Arc::<StreamInterims>::default();
        let body = Http2Body::new(body, &parts.headers, Arc::clone(&interims));
        let answer = proxy::answer(Rc::clone(client), parts, RawBody::Http2(body));
        let guard = Guard::begin(self);
        spawn_local(Stream { respond, interims, is_head, guard, stage: Stage::Asked { answer } });
    }
}

/// A stream that is under way.
#[derive(Debug)]
struct Guard {
    streams: Rc<Streams>,
    outcome: Outcome,
}

impl Guard {
    fn begin(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        Self { streams: Rc::clone(streams), outcome: Outcome::GivenUp }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let streams = &self.streams;
        streams.open.set(streams.open.get().saturating_sub(1));
        let given_up = streams.given_up.get();
        streams.given_up.set(match self.outcome {
            Outcome::Whole | Outcome::Failed => given_up.saturating_sub(1),
            Outcome::GivenUp => given_up + 1,
        });
    }
}

pin_project! {
    /// A request and its answer.
    struct Stream<F> {
        respond: SendResponse<Bytes>,
        interims: Arc<StreamInterims>,
        is_head: bool,
        guard: Guard,
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageNow]
    enum Stage<F> {
        /// Its answer is waited for.
        Asked { #[pin] answer: F },
        /// Its answer's body is being sent.
        Answered { pump: Pump<ResponseBody> },
    }
}

impl<F: Future<Output = Response<ResponseBody>>> Stream<F> {
    fn poll_outcome(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut this = self.project();
        loop {
            let answer = match this.stage.as_mut().project() {
                StageNow::Answered { pump } => return pump.poll(cx, Some(this.guard.streams.write)),
                StageNow::Asked { answer } => answer,
            };
            this.interims.set_task(cx.waker());
            let polled = answer.poll(cx);
            let is_due = this.interims.are_due();
            if (polled.is_pending() || is_due) && this.respond.poll_reset(cx).is_ready() {
                return Poll::Ready(Outcome::GivenUp);
            }
            if is_due {
                send_interims(this.respond, this.interims);
            }
            match Begun::of(this.respond, ready!(polled), *this.is_head, cx) {
                Begun::Body(pump) => this.stage.set(Stage::Answered { pump }),
                Begun::Nothing(outcome) => return Poll::Ready(outcome),
            }
        }
    }
}

impl<F: Future<Output = Response<ResponseBody>>> Future for Stream<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = ready!(self.as_mut().poll_outcome(cx));
        self.project().guard.outcome = outcome;
        Poll::Ready(())
    }
}

/// What follows an answer's head.
#[derive(Debug)]
enum Begun {
    Body(Pump<ResponseBody>),
    Nothing(Outcome),
}

impl Begun {
    /// Sends an answer's head.
    fn of(
        respond: &mut SendResponse<Bytes>,
        answer: Response<ResponseBody>,
        is_head: bool,
        cx: &mut Context<'_>,
    ) -> Self {
        let (head, body) = as_http2(answer, is_head);
        let is_end = body.is_end_stream();
        match respond.send_response(head, is_end) {
            Ok(_) if is_end => Self::Nothing(Outcome::Whole),
            Ok(stream) => Self::Body(Pump::new(stream, body)),
            Err(_) if respond.poll_reset(cx).is_ready() => Self::Nothing(Outcome::GivenUp),
            Err(error) => {
                tracing::debug!(%error, "an answer cannot be said over HTTP/2");
                respond.send_reset(Reason::INTERNAL_ERROR);
                Self::Nothing(Outcome::Failed)
            }
        }
    }
}

/// Sends what comes before an answer, whose head must not have been sent.
#[cold]
fn send_interims(respond: &mut SendResponse<Bytes>, interims: &StreamInterims) {
    for head in interims.take() {
        if let Err(error) = respond.send_informational(head) {
            // The answer will come without it.
            tracing::debug!(%error, "an interim answer cannot be said over HTTP/2");
        }
    }
}
