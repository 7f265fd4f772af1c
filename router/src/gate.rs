//! What a request has to pass before an instance is chosen for it. Each rule has a file of its own below this one.

mod redirect;

use hyper::http::request::Parts;

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

/// Lets a request pass, or says what it gets instead.
pub(crate) fn pass(arriving: Arriving<'_>) -> Result<(), Refusal> {
    // First of all, so that nobody is asked for a password in clear text.
    if !arriving.route.policy.redirects.is_empty() {
        redirect::check(arriving)?;
    }
    Ok(())
}
