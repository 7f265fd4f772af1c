//! Who a request is from, and how it came: what the app is told, what limits count by, and what the log says.
//!
//! On a connection of a client's own this is the socket's other end.

use std::net::IpAddr;

use hyper::header::HeaderMap;

use crate::client::Client;

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client.
    pub(crate) address: IpAddr,
    /// `http` or `https`, on the client's side.
    pub(crate) scheme: &'static str,
}

impl Origin {
    /// Reads it from a connection and a request.
    pub(crate) fn of(client: &Client, _headers: &HeaderMap) -> Self {
        Self { address: client.peer.to_canonical(), scheme: client.scheme }
    }

    /// Whether the client's side is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }
}
