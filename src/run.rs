//! The stage that turns a release and a formation into healthy instances, and retires old ones.
//!
//! Knows containers and health; does not know where images come from, who asked, or which host names lead here.

pub mod addresses;
mod any_certificate;
pub mod check;
pub mod check_rules;
pub mod crashes;
pub mod directories;
pub mod exclusive;
pub mod health;
mod http_probe;
pub mod one_off;
pub mod options;
pub mod plan;
pub mod policy;
pub mod predeploy;
mod probe;
pub mod readiness;
pub mod retire;
pub mod start;
pub mod startup;
pub mod surroundings;
pub mod task;
pub mod wellbeing;
