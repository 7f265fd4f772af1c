//! The Unix socket face: commands from the host itself, and from git's pre-receive hook.
//!
//! Whoever gets through is the host: root, or the user that the server runs as. Knows no git and no SQL.

pub mod connection;
pub mod frame;
pub mod listener;
