//! `builds:*`: the builds and deploys of an app.

pub mod cancel;
pub mod list;
pub mod output;
