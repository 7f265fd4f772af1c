//! Tests in one process: each module is one part of Slipway.

mod route;

fn main() {}
