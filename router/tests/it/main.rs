//! The router over real sockets: raw clients in front, raw or small servers behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test that fails is a test that fails"
)]

mod access;
mod balance;
mod bodies;
mod buffering;
mod challenges;
mod compression;
mod drain;
mod farewell;
mod frames;
mod framing;
mod framing_matrix;
mod grpc;
mod h2c;
mod hand_over;
mod headers;
mod health;
mod http2;
mod interims;
mod interims_h2c;
mod interims_http2;
mod limits;
mod log;
mod matrix;
mod metrics;
mod paths;
mod proxy_header;
mod queue;
mod redirects;
mod retries;
mod routing;
mod slow;
mod speech;
mod stage;
mod sticky;
mod support;
mod tls;
mod tls_support;
mod trust;
mod upgrade;
mod waiting;
