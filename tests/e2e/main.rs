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

mod builds_turns;
mod crash_deploy;
mod crash_run;
mod crash_shutdown;
mod domains_and_ports;
mod failures;
mod formation;
mod git_branches;
mod git_malformed;
mod git_protocol;
mod harness;
mod lifecycle;
mod logs;
mod one_off;
mod push;
mod readme;
mod releases;
mod traffic;
mod zero_downtime;
