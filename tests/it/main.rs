//! Tests of the library's parts against the real things, in one process.

mod docker_build;
mod docker_containers;
mod docker_network;
mod docker_streams;
mod docker_support;
mod face_commands;
mod socket_client;
mod ssh_auth;
mod ssh_client;
mod ssh_exec;
mod ssh_flow;
mod ssh_lifetime;
mod ssh_terminal;
