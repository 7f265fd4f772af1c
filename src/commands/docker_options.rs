//! `docker-options:{add,remove,clear,list,report}`: Docker's own options for an app's builds and containers.

pub mod add;
pub mod arguments;
pub mod clear;
pub mod list;
pub mod remove;
pub mod report;
