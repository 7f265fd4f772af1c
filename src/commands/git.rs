//! `git:*`, and git's own entry points behind `git push`, `git fetch` and `git archive`.

pub mod from_app;
pub mod from_archive;
pub mod from_image;
pub mod other_branches;
pub mod pre_receive;
pub mod properties;
pub mod service;
pub mod sync;
pub mod turn;
