//! The actors of the end-to-end tests: a server, persons with keys, repositories, HTTP clients.
//!
//! nextest runs each test in a process of its own, so each test has a server of its own: a start costs
//! milliseconds. What all servers share is the engine, and container names are global there, so app names have to be
//! unique: see [`names::unique`].

pub mod buildpack;
pub mod clock;
pub mod engine;
pub mod http;
pub mod isolation;
pub mod load;
pub mod log_host;
pub mod names;
pub mod pebble;
pub mod person;
pub mod plugin;
pub mod private_engine;
pub mod process;
pub mod repo;
pub mod samples;
pub mod server;
pub mod service_client;
pub mod service_data;
pub mod tls;
pub mod torture;
pub mod transcript;
pub mod wait;
pub mod web;
pub mod websocket;
pub mod wholeness;
