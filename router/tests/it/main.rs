//! The router over real sockets: raw clients in front, raw or small servers behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test that fails is a test that fails"
)]

mod bodies;
mod challenges;
mod drain;
mod framing;
mod headers;
mod log;
mod routing;
mod support;
mod tls_support;
mod upgrade;
mod waiting;
