//! Slipway: `git push` over SSH becomes a running, reachable app. See ARCHITECTURE.md for the parts.

pub mod app;
pub mod build;
pub mod cli;
pub mod clock;
pub mod command_error;
pub mod commands;
pub mod console;
pub mod cron;
pub mod deploy;
pub mod docker;
pub mod face;
pub mod formats;
pub mod git;
pub mod model;
pub mod process;
pub mod reconcile;
pub mod release;
pub mod route;
pub mod run;
pub mod server;
pub mod settings;
pub mod socket;
pub mod ssh;
pub mod store;
pub mod urls;
