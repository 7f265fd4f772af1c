//! A way to an instance for one request, over a connection of its own or one that is shared.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryFutureExt;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use tokio::task::AbortHandle;

use crate::instance::Instance;
use crate::interim_watch::InterimLink;
use crate::pool::channel::Stream;
use crate::request_body::RequestBody;

/// A way to an instance that serves one request.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: Sender,
    /// Whether the connection has served a request before, and so may have been closed by now.
    reused: bool,
}

/// What carries a request.
#[derive(Debug)]
pub(crate) enum Sender {
    /// A connection.
    Http1(Kept),
    /// A share in a connection.
    Http2(Stream),
}

/// A connection of HTTP/1.1, which carries one request at a time.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) sender: SendRequest<RequestBody>,
    pub(crate) task: AbortHandle,
    /// Who gets its interim answers.
    pub(crate) interims: Arc<InterimLink>,
    pub(crate) instance: Arc<Instance>,
    pub(crate) port: u16,
    /// How long it may rest.
    pub(crate) idle: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct SendError {
    error: hyper::Error,
    message: Option<Request<RequestBody>>,
}

impl Lease {
    pub(crate) fn of(sender: Sender, reused: bool) -> Self {
        Self { sender, reused }
    }

    /// What sends the request.
    pub(crate) fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Whether its connection has served a request before.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    /// What passes interim answers on. Those of HTTP/2 hyper keeps to itself.
    pub(crate) fn interims(&self) -> Option<&InterimLink> {
        match &self.sender {
            Sender::Http1(kept) => Some(&kept.interims),
            Sender::Http2(_) => None,
        }
    }

    /// Ends the request at once: with its connection, or if that carries others, without it.
    pub(crate) fn abort(&self) {
        match &self.sender {
            Sender::Http1(kept) => kept.task.abort(),
            Sender::Http2(stream) => stream.cancel(),
        }
    }

    /// The connection, if it is this request's alone.
    pub(crate) fn into_kept(self) -> Option<Kept> {
        match self.sender {
            Sender::Http1(kept) => Some(kept),
            Sender::Http2(_) => None,
        }
    }
}

impl Sender {
    /// Sends a request; what it gives back waits for the head of the answer.
    ///
    /// No `async fn`, which would hold the request twice: as what it was called with, and inside hyper's future.
    pub(crate) fn try_send_request(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + use<> {
        match self {
            Self::Http1(kept) => Either::Left(kept.sender.try_send_request(request).map_err(SendError::from)),
            Self::Http2(stream) => Either::Right(stream.send(request)),
        }
    }
}

impl SendError {
    pub(crate) fn new(error: hyper::Error, message: Option<Request<RequestBody>>) -> Self {
        Self { error, message }
    }

    /// The request, if nothing of it was sent.
    pub(crate) fn take_message(&mut self) -> Option<Request<RequestBody>> {
        self.message.take()
    }

    /// The reason.
    pub(crate) fn error(&self) -> &hyper::Error {
        &self.error
    }
}

impl From<TrySendError<Request<RequestBody>>> for SendError {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let message = error.take_message();
        Self { error: error.into_error(), message }
    }
}
