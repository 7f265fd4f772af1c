//! `ENGINE:*`: services of the engines that plugins describe.

pub mod list;
