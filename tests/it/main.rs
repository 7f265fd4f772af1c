//! Tests of the library's parts against the real things, in one process.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod bundled_engines;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod docker_build;
#[cfg(test)]
mod docker_containers;
#[cfg(test)]
mod docker_network;
#[cfg(test)]
mod docker_streams;
#[cfg(test)]
mod docker_support;
#[cfg(test)]
mod face_commands;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod git;
#[cfg(test)]
mod plugin_docs;
#[cfg(test)]
mod router_docs;
#[cfg(test)]
#[path = "../support/s3_server.rs"]
mod s3_server;
#[cfg(test)]
mod socket_client;
#[cfg(test)]
mod ssh_auth;
#[cfg(test)]
mod ssh_client;
#[cfg(test)]
mod ssh_exec;
#[cfg(test)]
mod ssh_flow;
#[cfg(test)]
mod ssh_lifetime;
#[cfg(test)]
mod ssh_terminal;
#[cfg(test)]
mod store;
