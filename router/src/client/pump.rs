//! An answer on its way into a stream of HTTP/2: its head, its data as far as the client has room for it, its trailers.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use hyper::Response;
use hyper::body::Body;

use crate::body::ResponseBody;
use crate::deadline::Deadline;
use crate::http2_answer::as_http2;

/// The body of an answer whose head was sent.
#[derive(Debug)]
pub(crate) struct Pump {
    stream: SendStream<Bytes>,
    body: ResponseBody,
    /// What was taken from the body and has not found room yet.
    data: Bytes,
    /// Whether nothing follows it.
    is_last: bool,
    /// The wait for room.
    deadline: Deadline,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it was handed over.
    Whole,
    /// The app failed.
    Failed,
    /// The client does not want it, or does not take it.
    GivenUp,
}

/// What follows an answer's head.
#[derive(Debug)]
pub(crate) enum Begun {
    Body(Pump),
    Nothing(Outcome),
}

impl Begun {
    /// Sends an answer's head.
    pub(crate) fn of(
        respond: &mut SendResponse<Bytes>,
        answer: Response<ResponseBody>,
        is_head: bool,
        cx: &mut Context<'_>,
    ) -> Self {
        let (head, body) = as_http2(answer, is_head);
        let is_end = body.is_end_stream();
        match respond.send_response(head, is_end) {
            Ok(_) if is_end => Self::Nothing(Outcome::Whole),
            Ok(stream) => {
                let (data, deadline) = (Bytes::new(), Deadline::default());
                Self::Body(Pump { stream, body, data, is_last: false, deadline })
            }
            Err(_) if respond.poll_reset(cx).is_ready() => Self::Nothing(Outcome::GivenUp),
            Err(error) => {
                tracing::debug!(%error, "an answer cannot be said over HTTP/2");
                respond.send_reset(Reason::INTERNAL_ERROR);
                Self::Nothing(Outcome::Failed)
            }
        }
    }
}

impl Pump {
    /// Sends what can be sent. `write` is how long the client may have no room for more.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, write: Duration) -> Poll<Outcome> {
        match self.poll_on(cx, write) {
            Poll::Ready(Ok(())) => Poll::Ready(Outcome::Whole),
            Poll::Ready(Err(outcome)) => Poll::Ready(outcome),
            // Whatever else is waited for, the client may want no more of it.
            Poll::Pending if self.stream.poll_reset(cx).is_ready() => Poll::Ready(Outcome::GivenUp),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_on(&mut self, cx: &mut Context<'_>, write: Duration) -> Poll<Result<(), Outcome>> {
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

    /// How much the client has room for: some, or it is waited for.
    fn poll_room(&mut self, cx: &mut Context<'_>, write: Duration) -> Poll<Result<usize, Outcome>> {
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
                    ready!(self.deadline.poll_expired(cx, write));
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(Outcome::GivenUp));
                }
            }
        }
    }

    fn send(&mut self, data: Bytes, is_last: bool) -> Result<(), Outcome> {
        self.stream.send_data(data, is_last).map_err(|error| {
            tracing::trace!(%error, "a client gave an answer up");
            Outcome::GivenUp
        })
    }

    fn end(&mut self, trailers: hyper::HeaderMap) -> Result<(), Outcome> {
        self.stream.send_trailers(trailers).map_err(|error| {
            tracing::debug!(%error, "an answer's trailers cannot be said over HTTP/2");
            self.stream.send_reset(Reason::INTERNAL_ERROR);
            Outcome::Failed
        })
    }
}

/// Why an answer is cut, in the words of its instance if that speaks HTTP/2 as well.
fn reason(error: &(dyn Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason().unwrap_or(Reason::INTERNAL_ERROR);
        }
        cause = error.source();
    }
    Reason::INTERNAL_ERROR
}
