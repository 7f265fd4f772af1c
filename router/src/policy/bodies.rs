//! Limits on the bodies of an app's requests and answers, and what is done to them on their way.

use serde::Deserialize;

/// What is done about bodies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bodies {
    /// Bytes of a request's body; no limit if unset.
    pub max_request_bytes: Option<u64>,
    /// Whether answers are compressed for clients that take it.
    pub compression: bool,
    /// Whether a request is taken whole before an instance sees it, so that a slow client does not hold one.
    pub buffer_requests: bool,
    /// Whether an answer is taken whole from the instance as fast as it gives it.
    pub buffer_responses: bool,
    /// Bytes of a buffered body that are kept in memory; the rest goes to an unlinked file.
    pub buffer_memory_bytes: usize,
    /// Bytes of a buffered body in all; what is larger is passed on as it comes.
    pub buffer_bytes: u64,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            max_request_bytes: None,
            compression: false,
            buffer_requests: false,
            buffer_responses: false,
            buffer_memory_bytes: 64 << 10,
            buffer_bytes: 1 << 30,
        }
    }
}
