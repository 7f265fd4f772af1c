//! Everything git: repositories, the wire protocol's server side, what a push means, trees as tar streams.
//!
//! The only module that runs `git` or opens a repository. The real `git` does the wire protocol and every write
//! of a person's objects; libgit2 reads, so that nothing is ever checked out on disk. Knows apps by name only:
//! no database, no engine, no deploy.

pub mod archive;
mod archive_path;
mod command;
pub mod commit;
mod content;
pub mod context;
pub mod error;
pub mod fetch;
pub mod import;
mod interrupted;
pub mod push;
pub mod references;
pub mod repositories;
pub mod service;
pub mod submodules;
pub mod tree;
