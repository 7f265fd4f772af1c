//! Tests of the library's parts against the real things, in one process.

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
