//! The router over real sockets: raw clients in front, raw or small servers behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test that fails is a test that fails"
)]

mod balance;
mod bodies;
mod drain;
mod framing;
mod headers;
mod health;
mod log;
mod metrics;
mod queue;
mod retries;
mod routing;
mod stage;
mod sticky;
mod support;
mod upgrade;
mod waiting;
