//! What an app's policy adds to the head of an answer, the router's own answers included. Pure.

use hyper::header::HeaderMap;

use crate::origin::Origin;
use crate::policy::Policy;

/// Adds what the policy says.
pub(crate) fn apply(policy: &Policy, _origin: Origin, headers: &mut HeaderMap) {
    for header in &policy.headers.response {
        if header.value.is_empty() {
            headers.remove(&header.name);
        } else {
            headers.insert(header.name.clone(), header.value.clone());
        }
    }
}
