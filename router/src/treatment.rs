//! What is to be done to the body of an answer: by what its app's policy says, what the client takes, and what the
//! answer is. Pure.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::{request, response};
use hyper::{Method, Version};

use crate::buffering;
use crate::compression::{self, Coding};
use crate::policy::bodies::Bodies;
use crate::settings::RouterSettings;
use crate::spool::SpoolLimits;

const X_ACCEL_BUFFERING: &str = "x-accel-buffering";

/// What a client wants of its answer's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    coding: Option<Coding>,
    is_head: bool,
}

/// What is done to an answer on its way.
#[derive(Debug, Default)]
pub(crate) struct Treatment {
    /// How it is compressed.
    pub(crate) coding: Option<Coding>,
    /// How much of it is kept.
    pub(crate) keeping: Option<SpoolLimits>,
}

impl Wish {
    pub(crate) fn of(request: &request::Parts, bodies: &Bodies) -> Self {
        // Without chunks only the connection's end would say where a compressed answer ends.
        let is_asked = bodies.compression && request.version != Version::HTTP_10;
        let coding = if is_asked { Coding::accepted(&request.headers) } else { None };
        Self { coding, is_head: request.method == Method::HEAD }
    }

    /// What is to be done to an answer, whose head is changed to say so.
    pub(crate) fn treatment(
        self,
        answer: &mut response::Parts,
        bodies: &Bodies,
        settings: &RouterSettings,
    ) -> Treatment {
        let mut treatment = Treatment::default();
        if bodies.compression {
            treatment.coding = compression::prepare(self.coding, answer.status, &mut answer.headers);
        }
        if bodies.buffer_responses && may_be_kept(&answer.headers) {
            treatment.keeping = Some(buffering::limits(bodies, settings));
        }
        // The head of an answer to HEAD is that of one to GET; there is nothing behind it.
        if self.is_head { Treatment::default() } else { treatment }
    }
}

impl Treatment {
    /// Whether the answer is passed on as it is.
    pub(crate) fn is_none(&self) -> bool {
        self.coding.is_none() && self.keeping.is_none()
    }
}

/// Whether an answer may be kept: not where each part is meant for the client at once.
fn may_be_kept(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let begins = |prefix: &[u8]| {
        content_type.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    };
    // nginx's way for an app to say so, which frameworks know.
    let is_off = headers.get(X_ACCEL_BUFFERING).is_some_and(|value| value.as_bytes() == b"no");
    !is_off && !begins(b"text/event-stream") && !begins(b"application/grpc")
}
