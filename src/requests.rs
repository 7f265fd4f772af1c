//! What a person sets about the requests of an app, and the router's policy that comes of it. Pure.
//!
//! One list has all that can be set: `router:set`, its report, its reference and the policy are made from it. Knows
//! nothing of where the values are kept and of who may set them.

pub mod catalogue;
pub mod draft;
pub mod kept;
pub mod nginx;
pub mod policy;
pub mod values;
