//! Tests of the library's parts against the real things, in one process.

#[cfg(test)]
mod git;
