//! A way to an instance for one request, over a connection of its own or one that is shared.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

use crate::instance::Instance;
use crate::interim_watch::InterimLink;
use crate::pool::stream::Stream;
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
    is_parse: bool,
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

    /// Whether its connection carries other requests beside this one.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
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

impl SendError {
    /// An error of HTTP/2, of which none is told from another.
    pub(crate) fn of_http2(error: &h2::Error, message: Option<Request<RequestBody>>) -> Self {
        tracing::trace!(%error, "a request over HTTP/2 has no answer");
        Self { is_parse: false, message }
    }

    /// The request, if its instance has done nothing with it.
    pub(crate) fn take_message(&mut self) -> Option<Request<RequestBody>> {
        self.message.take()
    }

    /// Whether there is an answer that is not HTTP.
    pub(crate) fn is_parse(&self) -> bool {
        self.is_parse
    }
}

impl From<TrySendError<Request<RequestBody>>> for SendError {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let message = error.take_message();
        Self { is_parse: error.error().is_parse(), message }
    }
}
