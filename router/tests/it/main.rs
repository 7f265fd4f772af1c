//! The router over real sockets: raw clients in front, raw or small servers behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test that fails is a test that fails"
)]

mod access;
mod bodies;
mod buffering;
mod compression;
mod drain;
mod frames;
mod framing;
mod framing_matrix;
mod grpc;
mod hand_over;
mod headers;
mod http2;
mod limits;
mod log;
mod matrix;
mod paths;
mod proxy_header;
mod redirects;
mod routing;
mod speech;
mod support;
mod trust;
mod upgrade;
mod waiting;
