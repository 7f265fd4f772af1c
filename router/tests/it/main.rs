//! The router over real sockets: raw clients in front, raw or small servers behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test that fails is a test that fails"
)]

mod bodies;
mod drain;
mod framing;
mod hand_over;
mod headers;
mod log;
mod routing;
mod support;
mod upgrade;
mod waiting;
