//! What keeps a host in order: what takes its disk, what nobody needs any more, what is wrong with it.
//!
//! It looks and says; commands show it to people, and a reconciler acts on it. Nothing here decides what runs.

pub mod disk;
pub mod doctor;
pub mod garbage;
pub mod leftover;
pub mod sockets;
pub mod temporary;
