//! Integration tests: in this process, against the real `ssh` and real sockets.

mod face_commands;
mod socket_client;
mod ssh_auth;
mod ssh_client;
mod ssh_exec;
mod ssh_flow;
mod ssh_lifetime;
mod ssh_terminal;
