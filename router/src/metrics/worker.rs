//! What one worker counts that belongs to no app.

use std::rc::Rc;

use crate::metrics::app::AppCounters;
use crate::metrics::counter::{Counter, Level};
use crate::tls::HandshakeError;
use crate::worker::Worker;

/// The counters of one worker, which only its thread writes.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounters {
    /// Requests that no app was found for.
    pub(crate) unrouted: AppCounters,
    /// Clients' connections in clear text.
    pub(crate) plain: Level,
    /// Encrypted ones.
    pub(crate) encrypted: Level,
    /// Of all of them, those that speak HTTP/2.
    pub(crate) http2: Level,
    /// TLS handshakes that came to an end.
    pub(crate) handshakes: Counter,
    /// TLS handshakes that failed, by reason.
    pub(crate) failed_handshakes: FailedHandshakes,
}

/// TLS handshakes that failed.
#[derive(Debug, Default)]
pub(crate) struct FailedHandshakes {
    /// They took too long.
    pub(crate) timeout: Counter,
    /// No name was asked for, or one that leads nowhere.
    pub(crate) unknown_name: Counter,
    /// The connection broke, or the two sides have nothing in common.
    pub(crate) broken: Counter,
}

/// A client's connection, counted while it is open.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    worker: Rc<Worker>,
    level: fn(&WorkerCounters) -> &Level,
}

impl OpenConnection {
    /// Counts a connection of one of the kinds that [`WorkerCounters`] has.
    pub(crate) fn begin(worker: &Rc<Worker>, level: fn(&WorkerCounters) -> &Level) -> Self {
        level(&worker.counters).begin();
        Self { worker: Rc::clone(worker), level }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        (self.level)(&self.worker.counters).end();
    }
}

impl FailedHandshakes {
    /// Counts one.
    pub(crate) fn count(&self, error: &HandshakeError) {
        match error {
            HandshakeError::Timeout | HandshakeError::Displaced => &self.timeout,
            HandshakeError::NoName | HandshakeError::UnknownName(_) => &self.unknown_name,
            HandshakeError::Io(_) => &self.broken,
        }
        .increment();
    }
}
