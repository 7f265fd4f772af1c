//! What a request has to pass before an instance is chosen for it. Each rule has a file of its own below this one.

use hyper::http::request::Parts;

use crate::challenges::WELL_KNOWN;
use crate::client::Client;
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::table::Route;

/// A request at the gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arriving<'a> {
    /// The app.
    pub(crate) route: &'a Route,
    /// The request's head.
    pub(crate) request: &'a Parts,
    /// The host, as the table knows it.
    pub(crate) host: &'a str,
    /// Who it is from.
    pub(crate) origin: Origin,
}

/// Answers an authority that asks for a token which it has given out. Apps are not asked: such a request may come
/// before anything was deployed, and no rule of an app may stand in its way.
pub(crate) fn challenge(client: &Client, path: &str) -> Result<(), Refusal> {
    if !path.starts_with(WELL_KNOWN) {
        return Ok(());
    }
    let answer = client.worker.tls.challenges.load().for_path(path);
    answer.map_or(Ok(()), |answer| Err(Refusal::Challenge(answer)))
}

/// Lets a request pass, or says what it gets instead.
pub(crate) fn pass(_arriving: Arriving<'_>) -> Result<(), Refusal> {
    Ok(())
}
