//! Bodies that are taken whole for the sake of instances, where their app wants that: a slow client then holds
//! memory of the router, and no instance.

use std::rc::Rc;

use hyper::header::{self, HeaderMap, HeaderValue};

use crate::client_body::ClientBody;
use crate::fault::Fault;
use crate::policy::bodies::Bodies;
use crate::progress::Progress;
use crate::request_body::RequestBody;
use crate::settings::RouterSettings;
use crate::spool::{Settled, Spool, SpoolLimits};

/// How much of a body is kept by an app's policy.
pub(crate) fn limits(bodies: &Bodies, settings: &RouterSettings) -> SpoolLimits {
    SpoolLimits {
        memory: bodies.buffer_memory_bytes,
        total: bodies.buffer_bytes,
        directory: settings.buffer_directory.clone(),
    }
}

/// Whether a request's body may be taken before an instance is asked: not where both sides talk by turns.
pub(crate) fn may_be_taken(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    !content_type.starts_with(b"application/grpc")
}

/// Takes a request's body, whole unless it is larger than may be kept, and says its length in the head.
pub(crate) async fn take_request(
    headers: &mut HeaderMap,
    body: ClientBody,
    progress: &Rc<Progress>,
    limits: SpoolLimits,
) -> Result<RequestBody, Fault> {
    // Whoever takes the body has asked for it.
    headers.remove(header::EXPECT);
    let spool = Spool::take(body, limits);
    match spool.settled().await {
        Settled::Cut => return Err(progress.client_fault().unwrap_or(Fault::Internal)),
        Settled::Whole { length, has_trailers: false } => {
            headers.remove(header::TRANSFER_ENCODING);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        // Trailers need chunks, and what is not whole has the length that the client says, if it says one.
        Settled::Whole { has_trailers: true, .. } | Settled::Full => {}
    }
    Ok(RequestBody::kept(spool, Rc::clone(progress)))
}
