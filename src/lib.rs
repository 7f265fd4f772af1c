//! Slipway: `git push` over SSH becomes a running, reachable app. See ARCHITECTURE.md for the parts.

pub mod cli;
pub mod clock;
pub mod console;
pub mod docker;
pub mod face;
pub mod formats;
pub mod git;
pub mod model;
pub mod process;
pub mod route;
pub mod settings;
pub mod socket;
pub mod ssh;
pub mod store;
