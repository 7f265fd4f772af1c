//! `services:*`: services of all engines.

pub mod link;
pub mod list;
