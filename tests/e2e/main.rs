//! End-to-end tests: the real binary, the real git and ssh, a real Docker engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and what it prints is shown only then"
)]
#![allow(dead_code, reason = "the actors offer what tests need, also those yet to be written")]

mod failures;
mod harness;
mod https;
mod lifecycle;
mod push;
mod traffic;
mod zero_downtime;
