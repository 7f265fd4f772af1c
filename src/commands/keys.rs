//! `ssh-keys:*`: who may come in, and what they may do.

pub mod add;
pub mod list;
pub mod remove;
