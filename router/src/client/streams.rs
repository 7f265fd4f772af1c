//! The streams of one HTTP/2 connection: what hyper's tasks for them are wrapped in, so that none is held for ever by
//! a client that does not read it, and so that the connection knows what its client does with its requests.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::task::spawn_local;

use crate::body::{BodyError, ResponseBody};
use crate::deadline::Deadline;

/// The most that is handed to h2 at a time. What it was handed counts as taken, so a large piece would hide from the
/// deadline that its client takes none of it.
const PIECE: usize = 64 << 10;

/// Requests that a client may give up on a connection beyond those whose answers it took.
///
/// Each costs an instance a request whose answer nobody wants ("rapid reset", CVE-2023-44487). A person who leaves
/// pages before they are loaded gives up some tens of each; after as many as this the client has to connect anew.
const MAX_GIVEN_UP: u64 = 1000;

/// The streams of one connection.
#[derive(Debug)]
pub(crate) struct Streams {
    /// The stream whose request the service was just given; hyper hands over its task next.
    opened: RefCell<Option<Rc<Stream>>>,
    open: Cell<usize>,
    given_up: Cell<u64>,
    /// For a client that has stopped reading.
    write: Duration,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    state: Cell<State>,
    /// Pieces of the answer that were handed to h2.
    pieces: Cell<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// For the app, whose deadlines are kept elsewhere.
    #[default]
    Waiting,
    /// For the client to take what it was sent.
    Sending,
    /// All of the answer was handed over.
    Ended,
}

impl Streams {
    pub(crate) fn new(write: Duration) -> Rc<Self> {
        let (opened, open, given_up) = (RefCell::default(), Cell::default(), Cell::default());
        Rc::new(Self { opened, open, given_up, write })
    }

    /// Begins a stream, to be called by the service.
    pub(crate) fn open(&self) -> Rc<Stream> {
        let stream = Rc::<Stream>::default();
        self.opened.replace(Some(Rc::clone(&stream)));
        stream
    }

    /// Whether no request is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.get() == 0
    }

    /// Whether the client gives up requests in a way that no honest client does.
    pub(crate) fn is_abused(&self) -> bool {
        self.given_up.get() > MAX_GIVEN_UP
    }
}

/// Runs hyper's tasks on the worker's thread.
#[derive(Clone, Debug)]
pub(crate) struct StreamExecutor(pub(crate) Rc<Streams>);

impl<F: Future<Output = ()> + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, task: F) {
        let streams = &self.0;
        let stream = streams.opened.take().unwrap_or_default();
        streams.open.set(streams.open.get() + 1);
        let guard = Guard { streams: Rc::clone(streams), stream };
        spawn_local(Watched { task, guard, taken: 0, deadline: Deadline::default() });
    }
}

/// A stream that is under way.
#[derive(Debug)]
struct Guard {
    streams: Rc<Streams>,
    stream: Rc<Stream>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let streams = &self.streams;
        streams.open.set(streams.open.get().saturating_sub(1));
        let given_up = streams.given_up.get();
        streams.given_up.set(match self.stream.state.get() {
            State::Ended => given_up.saturating_sub(1),
            State::Waiting | State::Sending => given_up + 1,
        });
    }
}

pin_project! {
    /// hyper's task for a stream. It ends early, and h2 resets the stream, once the client has taken nothing for too
    /// long although there is something to take.
    struct Watched<F> {
        #[pin]
        task: F,
        guard: Guard,
        taken: u64,
        deadline: Deadline,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.task.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let stream = &this.guard.stream;
        // One whose answer was handed over to its end may still have the last piece to send.
        if stream.state.get() == State::Waiting {
            this.deadline.clear();
            return Poll::Pending;
        }
        if stream.pieces.get() != *this.taken {
            *this.taken = stream.pieces.get();
            this.deadline.clear();
        }
        ready!(this.deadline.poll_expired(cx, this.guard.streams.write));
        stream.state.set(State::Sending);
        Poll::Ready(())
    }
}

/// An answer's body on its way into a stream.
#[derive(Debug)]
pub(crate) struct StreamBody {
    inner: ResponseBody,
    /// The rest of a large piece.
    rest: Bytes,
    stream: Rc<Stream>,
}

impl StreamBody {
    pub(crate) fn new(inner: ResponseBody, stream: Rc<Stream>) -> Self {
        if inner.is_end_stream() {
            stream.state.set(State::Ended);
        }
        Self { inner, rest: Bytes::new(), stream }
    }

    /// Hands over a piece of what there is.
    fn piece(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if data.len() > PIECE {
            self.rest = data.split_off(PIECE);
        }
        self.stream.pieces.set(self.stream.pieces.get() + 1);
        self.stream.state.set(if self.is_end_stream() { State::Ended } else { State::Sending });
        Frame::data(data)
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if !this.rest.is_empty() {
            let rest = std::mem::take(&mut this.rest);
            return Poll::Ready(Some(Ok(this.piece(rest))));
        }
        this.stream.state.set(State::Waiting);
        Poll::Ready(match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Some(Ok(this.piece(data))),
                Err(trailers) => {
                    this.stream.state.set(State::Ended);
                    Some(Ok(trailers))
                }
            },
            None => {
                this.stream.state.set(State::Ended);
                None
            }
            Some(Err(error)) => {
                // The app's failure, not the client's doing.
                this.stream.state.set(State::Ended);
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
