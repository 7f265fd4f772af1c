//! `ps:*`: the instances of an app.

pub mod report;
pub mod run_state;
pub mod scale;
