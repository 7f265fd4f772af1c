//! The SSH face: proves who the client is, and runs one command per session channel.
//!
//! Knows no git, no Docker and no SQL, and opens no shell: a client's text is split into words and handed to
//! [`crate::face::Commands`].

pub mod auth;
pub mod channel;
pub mod connection;
pub mod exec;
pub mod handshake_stream;
pub mod host_keys;
pub mod input_gate;
pub mod limits;
pub mod listener;
pub mod session;
pub mod tunnel;
