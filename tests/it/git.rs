//! The git module against the real git.

mod context;
mod import;
mod repositories;
mod server;
mod service;
mod submodules;
mod support;
mod sync;
