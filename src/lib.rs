//! Slipway: `git push` over SSH becomes a running, reachable app. See ARCHITECTURE.md for the parts.

pub mod clock;
pub mod console;
pub mod face;
pub mod formats;
pub mod git;
pub mod model;
pub mod process;
pub mod settings;
