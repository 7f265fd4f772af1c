//! `drains:*`: where an app's log is sent on to.

pub mod add;
pub mod list;
pub mod remove;
