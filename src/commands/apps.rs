//! `apps:*`: making, cloning, listing, renaming and destroying apps, and their deploy lock.

pub mod clone;
pub mod create;
pub mod destroy;
pub mod exists;
pub mod list;
pub mod lock;
pub mod rename;
pub mod report;
