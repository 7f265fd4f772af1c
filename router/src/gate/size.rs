//! Bodies that say themselves that they are too large. Those that do not say it are measured on their way.

use hyper::header;

use crate::fault::Fault;
use crate::gate::Arriving;

pub(super) fn check(arriving: Arriving<'_>) -> Result<(), Fault> {
    let Some(most) = arriving.route.policy.bodies.max_request_bytes else { return Ok(()) };
    let length = arriving.request.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > most) { Err(Fault::BodyTooLarge) } else { Ok(()) }
}
