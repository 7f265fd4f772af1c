//! Integration tests: in this process, against the real `ssh` and real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "clippy takes only functions with #[test] for tests, and these have helpers"
)]

mod face_commands;
mod socket_client;
mod ssh_auth;
mod ssh_client;
mod ssh_exec;
mod ssh_flow;
mod ssh_lifetime;
mod ssh_terminal;
