//! Who gets the interim answers to a request, in the form in which its connection has them.

use std::sync::Arc;

use hyper::Response;

use super::stream::StreamInterims;
use crate::client_stream::ConnectionFlags;

/// Interim answers to one request that are passed on.
pub(crate) const MOST: usize = 32;

/// Who that is.
#[derive(Debug)]
pub(crate) enum Hearer {
    /// Over HTTP/1.1, whoever is on the connection.
    Connection(Arc<ConnectionFlags>),
    /// Over HTTP/2, whoever asked.
    Stream(Arc<StreamInterims>),
}

impl Hearer {
    /// Passes a head on, which has been prepared for a client.
    pub(crate) fn pass(&self, head: Response<()>) {
        match self {
            Self::Connection(client) => client.interims.push(&written(&head)),
            Self::Stream(stream) => stream.push(head),
        }
    }
}

/// The head as HTTP/1.1 has it.
fn written(answer: &Response<()>) -> Vec<u8> {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in answer.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}
