//! Scheduled tasks: what an app's `app.json` asks for under `cron`, run by the server itself.
//!
//! [`agenda`] is pure and says what is due; [`scheduler`] asks it and sleeps until then; [`runner`] carries out one
//! run in a container of its own; [`history`] keeps what it printed. A run is recorded before it begins, so that a
//! server that was killed finds it again.

pub mod agenda;
pub mod container;
pub mod history;
pub mod output;
pub mod runner;
pub mod scheduler;
pub mod tasks;
