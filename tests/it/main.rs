//! Tests that need no engine: real git, real files, real sockets, in one binary.

mod git;
