//! Automatic certificates of apps: what an app needs, when, from whom, and how it gets it.
//!
//! Commands and the reconciler both come here; neither of them does anything by itself. Whatever happens, the
//! certificate that an app has stays in force until the next one is.

mod account;
pub mod budget;
pub mod choice;
pub mod names;
pub mod need;
pub mod obtain;
pub mod plan;
mod proofs;
pub mod revoke;
mod self_check;
pub mod suggestion;
pub mod telling;
