//! `ports:*`: which ports of the host lead to which ports of an app's containers.

pub mod change;
pub mod list;
