//! What the router answers itself, in place of an instance.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::fault::Fault;

/// An answer of the router's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Something is wrong, with the request or behind it.
    Fault(Fault),
    /// What was asked for is elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
        /// Where.
        location: HeaderValue,
    },
    /// What an authority asked for before it issues a certificate.
    Challenge(Bytes),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
