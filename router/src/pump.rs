//! A body on its way into a stream of HTTP/2: its data as far as the other side has room for it, then its trailers.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use hyper::HeaderMap;
use hyper::body::Body;

use crate::body::BodyError;
use crate::deadline::Deadline;

/// The body of a message whose head was sent.
#[derive(Debug)]
pub(crate) struct Pump<B> {
    stream: SendStream<Bytes>,
    body: B,
    /// What was taken from the body and has not found room yet.
    data: Bytes,
    /// Whether nothing follows it.
    is_last: bool,
    /// The wait for room.
    deadline: Deadline,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it was handed over.
    Whole,
    /// Where it comes from, it ended before its end.
    Failed,
    /// The other side does not want it, or does not take it.
    GivenUp,
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Pump<B> {
    pub(crate) fn new(stream: SendStream<Bytes>, body: B) -> Self {
        Self { stream, body, data: Bytes::new(), is_last: false, deadline: Deadline::default() }
    }

    /// Ends the message before its end.
    pub(crate) fn cancel(&mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }

    /// Where the message comes from.
    pub(crate) fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// The same, for somebody else.
    pub(crate) fn into_body(self) -> B {
        self.body
    }

    /// Sends what can be sent. `write` is how long the other side may have no room for more, if that has a limit.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, write: Option<Duration>) -> Poll<Outcome> {
        match self.poll_on(cx, write) {
            Poll::Ready(Ok(())) => Poll::Ready(Outcome::Whole),
            Poll::Ready(Err(outcome)) => Poll::Ready(outcome),
            // Whatever else is waited for, the other side may want no more of it.
            Poll::Pending if self.stream.poll_reset(cx).is_ready() => Poll::Ready(Outcome::GivenUp),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_on(&mut self, cx: &mut Context<'_>, write: Option<Duration>) -> Poll<Result<(), Outcome>> {
        loop {
            while !self.data.is_empty() {
                let room = ready!(self.poll_room(cx, write))?;
                let piece = self.data.split_to(room.min(self.data.len()));
                let is_last = self.is_last && self.data.is_empty();
                self.send(piece, is_last)?;
                if is_last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(self.send(Bytes::new(), true)),
                Some(Err(error)) => {
                    self.stream.send_reset(reason(&*error));
                    return Poll::Ready(Err(Outcome::Failed));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.is_last = self.body.is_end_stream();
                        if data.is_empty() && self.is_last {
                            return Poll::Ready(self.send(data, true));
                        }
                        self.stream.reserve_capacity(data.len());
                        self.data = data;
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return Poll::Ready(self.end(trailers));
                        }
                    }
                },
            }
        }
    }

    /// How much the other side has room for: some, or it is waited for.
    fn poll_room(&mut self, cx: &mut Context<'_>, write: Option<Duration>) -> Poll<Result<usize, Outcome>> {
        loop {
            let room = self.stream.capacity();
            if room > 0 {
                self.deadline.clear();
                return Poll::Ready(Ok(room));
            }
            self.stream.reserve_capacity(self.data.len());
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(Outcome::GivenUp)),
                Poll::Pending => {
                    let Some(write) = write else { return Poll::Pending };
                    ready!(self.deadline.poll_expired(cx, write));
                    self.cancel();
                    return Poll::Ready(Err(Outcome::GivenUp));
                }
            }
        }
    }

    fn send(&mut self, data: Bytes, is_last: bool) -> Result<(), Outcome> {
        self.stream.send_data(data, is_last).map_err(|error| {
            tracing::trace!(%error, "a message over HTTP/2 was given up");
            Outcome::GivenUp
        })
    }

    fn end(&mut self, trailers: HeaderMap) -> Result<(), Outcome> {
        self.stream.send_trailers(trailers).map_err(|error| {
            tracing::debug!(%error, "trailers cannot be said over HTTP/2");
            self.stream.send_reset(Reason::INTERNAL_ERROR);
            Outcome::Failed
        })
    }
}

/// Why a message is cut, in the words of whoever sent it if that speaks HTTP/2 as well.
///
/// Never without an error, which is what some take for an end (RFC 9113, section 8.1).
fn reason(error: &(dyn Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason().filter(|reason| *reason != Reason::NO_ERROR);
            return reason.unwrap_or(Reason::INTERNAL_ERROR);
        }
        cause = error.source();
    }
    Reason::INTERNAL_ERROR
}
