//! What the router answers itself, in place of an instance.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use crate::fault::Fault;

/// An answer of the router's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Something is wrong, with the request or behind it.
    Fault(Fault),
    /// The same, with what only this case knows.
    Told(Box<Told>),
    /// The client may pass by the maintenance page from now on.
    Bypass {
        /// What it asked for, without the secret.
        location: HeaderValue,
        /// What it is known by.
        cookie: HeaderValue,
    },
    /// What was asked for is elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
        /// Where.
        location: HeaderValue,
    },
    /// What an authority asked for before it issues a certificate.
    Challenge(Bytes),
    /// How the router itself is.
    Health {
        /// Whether it takes requests.
        ready: bool,
    },
}

/// A fault with more to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The fault.
    pub(crate) fault: Fault,
    /// Headers of its answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// A page (HTML) of its own.
    pub(crate) page: Option<Bytes>,
}

impl Refusal {
    /// A fault with headers.
    pub(crate) fn with_headers(fault: Fault, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self::Told(Box::new(Told { fault, headers, page: None }))
    }

    /// The fault, if that is what it is.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Fault(fault) => Some(*fault),
            Self::Told(told) => Some(told.fault),
            Self::Redirect { .. } | Self::Bypass { .. } | Self::Challenge(_) | Self::Health { .. } => None,
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
