//! What a request has to pass before an instance is chosen for it. Each rule has a file of its own below this one.

pub(crate) mod auth;

mod addresses;
mod maintenance;
mod rate;
mod redirect;
mod size;

use hyper::header::HeaderMap;
use hyper::http::request::Parts;

use crate::address_counts::AddressPlace;
use crate::challenges::WELL_KNOWN;
use crate::client::Client;
use crate::fault::Fault;
use crate::origin::Origin;
use crate::policy::Policy;
use crate::policy::access::Access;
use crate::policy::redirects::Redirects;
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

/// Turns clients away that have shown no certificate where one is wanted. Those with TLS never come as far.
pub(crate) fn client_certificate(client: &Client, policy: &Policy) -> Result<(), Refusal> {
    let shown = || client.encryption.as_ref().is_some_and(|encryption| encryption.client.is_some());
    if policy.access.client_certificate && !shown() { Err(Fault::Misdirected.into()) } else { Ok(()) }
}

/// What goes with a request that has passed.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    /// Its place in the count of its client's requests.
    pub(crate) place: Option<AddressPlace>,
    /// A cookie of the request that is the router's, and not for the app.
    pub(crate) own_cookie: Option<&'static str>,
}

/// Takes a cookie that is not for the app out of a request.
pub(crate) fn remove_cookie(headers: &mut HeaderMap, name: Option<&str>) {
    if let Some(name) = name {
        maintenance::remove_cookie(headers, name);
    }
}

/// Whether a policy has anything that `pass` would look at. Known before the first request.
pub(crate) fn is_needed(policy: &Policy) -> bool {
    policy.access != Access::default()
        || policy.redirects != Redirects::default()
        || policy.maintenance.is_some()
        || policy.bodies.max_request_bytes.is_some()
}

/// Lets a request pass, or says what it gets instead.
///
/// What costs least and refuses most comes first. A client that may not come at all learns nothing else.
pub(crate) async fn pass(arriving: Arriving<'_>) -> Result<Passage, Refusal> {
    if !arriving.route.has_rules {
        return Ok(Passage::default());
    }
    let mut passage = Passage::default();
    addresses::check(arriving)?;
    passage.place = rate::check(arriving)?;
    // Before anybody is asked for a password in clear text.
    if !arriving.route.policy.redirects.is_empty() {
        redirect::check(arriving)?;
    }
    passage.own_cookie = maintenance::check(arriving)?;
    auth::check(arriving).await?;
    size::check(arriving)?;
    Ok(passage)
}
