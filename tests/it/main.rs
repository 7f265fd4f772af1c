//! Tests of the library's parts against the real things, in one process.

mod docker_containers;
mod docker_network;
mod docker_streams;
mod docker_support;
