//! The stage that turns a release and a formation into healthy instances, and retires old ones.
//!
//! Knows containers and health; does not know where images come from, who asked, or which host names lead here.

pub mod addresses;
pub mod health;
pub mod one_off;
pub mod options;
pub mod plan;
mod probe;
pub mod retire;
pub mod start;
pub mod task;
