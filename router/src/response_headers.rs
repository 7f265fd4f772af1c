//! What an app's policy adds to the head of an answer, the router's own answers included. Pure.

use hyper::header::{self, HeaderMap};

use crate::origin::Origin;
use crate::policy::Policy;

/// Adds what the policy says.
pub(crate) fn apply(policy: &Policy, origin: Origin, headers: &mut HeaderMap) {
    // In clear text it means nothing, since anybody on the way could have written it (RFC 6797, section 7.2).
    if let Some(hsts) = policy.headers.hsts
        && origin.is_encrypted()
    {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.value());
    }
    for header in &policy.headers.response {
        if header.value.is_empty() {
            headers.remove(&header.name);
        } else {
            headers.insert(header.name.clone(), header.value.clone());
        }
    }
}

/// The same for an answer of the router's own, whose headers are not for the policy to change.
pub(crate) fn apply_to_own(policy: &Policy, origin: Origin, headers: &mut HeaderMap) {
    let mut added = HeaderMap::new();
    apply(policy, origin, &mut added);
    for name in added.keys().filter(|name| !headers.contains_key(*name)).cloned().collect::<Vec<_>>() {
        for value in added.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
}
