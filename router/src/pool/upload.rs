//! The body of a request on its way to an instance over HTTP/2. It goes on beside the answer, which may begin and end
//! before it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::SendStream;
use tokio::task::spawn_local;

use crate::body::AFTER_ANSWER;
use crate::deadline::Deadline;
use crate::progress::Progress;
use crate::pump::{Outcome, Pump};
use crate::replay::Replay;
use crate::request_body::RequestBody;

/// Shared by the task that sends the body, by whoever waits for the answer, and by whoever has it.
#[derive(Debug)]
pub(crate) struct Upload {
    state: RefCell<State>,
    progress: Rc<Progress>,
}

#[derive(Debug)]
struct State {
    /// What sends it, until it has ended.
    pump: Option<Pump<RequestBody>>,
    /// What nobody asked for and nobody wants any more.
    held: Option<RequestBody>,
    /// What was sent of it, until there is an answer.
    replay: Option<Replay>,
    /// Whether its answer has ended.
    left_alone: bool,
    /// How long it may go on then.
    deadline: Deadline,
    waker: Option<Waker>,
}

impl Upload {
    pub(crate) fn new(stream: SendStream<Bytes>, mut body: RequestBody) -> Rc<Self> {
        let (replay, progress) = (body.keep_beginning(), Rc::clone(body.progress()));
        let pump = Some(Pump::new(stream, body));
        let deadline = Deadline::default();
        let state = State { pump, held: None, replay, left_alone: false, deadline, waker: None };
        Rc::new(Self { state: RefCell::new(state), progress })
    }

    /// Sends what can be sent at once, and the rest on a task of its own.
    pub(crate) fn begin(self: &Rc<Self>, cx: &mut Context<'_>) {
        if self.poll(cx).is_pending() {
            let upload = Rc::clone(self);
            spawn_local(poll_fn(move |cx| upload.poll(cx)));
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let Some(pump) = &mut state.pump else { return Poll::Ready(()) };
        match pump.poll(cx, None) {
            Poll::Pending if state.left_alone && state.deadline.poll_expired(cx, AFTER_ANSWER).is_ready() => {
                pump.cancel();
                state.pump = None;
                Poll::Ready(())
            }
            Poll::Pending => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                let body = state.pump.take().map(Pump::into_body);
                state.held = body.filter(|body| outcome == Outcome::GivenUp && body.is_held());
                Poll::Ready(())
            }
        }
    }

    /// Notes that there is an answer, so that the request will not be sent again.
    pub(crate) fn answered(&self) {
        let mut state = self.state.borrow_mut();
        (state.held, state.replay) = (None, None);
        if let Some(pump) = &mut state.pump {
            pump.body_mut().keep_nothing();
        }
    }

    /// Ends it, and gives the body back as it was, if all of it is still there.
    pub(crate) fn take_back(&self) -> Option<RequestBody> {
        let (body, replay) = {
            let mut state = self.state.borrow_mut();
            let body = state.pump.take().map(Pump::into_body).or(state.held.take());
            state.wake();
            (body, state.replay.take())
        };
        match body.filter(RequestBody::is_held) {
            // Dropping any other gives what was not read of it to what was kept of it.
            None => Some(RequestBody::begin_again(replay?.begin_again()?, &self.progress)),
            held => held,
        }
    }

    /// Ends it at once.
    pub(crate) fn cancel(&self) {
        let mut state = self.state.borrow_mut();
        if let Some(mut pump) = state.pump.take() {
            pump.cancel();
            state.wake();
        }
    }

    /// Lets it come to its end, but not for ever, for its answer has ended.
    pub(crate) fn leave_alone(&self) {
        let mut state = self.state.borrow_mut();
        state.left_alone = true;
        state.wake();
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
