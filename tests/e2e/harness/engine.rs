//! The Docker engine as the tests see it, past the server under test.

use std::env;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::http::{Connection, Response};

/// Asks the engine.
pub fn request(method: &str, path: &str) -> Response {
    send(method, path, b"")
}

/// Asks the engine, with a body.
pub fn send(method: &str, path: &str, body: &[u8]) -> Response {
    let socket =
        env::var_os("SLIPWAY_DOCKER").map_or_else(|| PathBuf::from("/var/run/docker.sock"), PathBuf::from);
    let mut connection = Connection::open_unix(&socket)
        .unwrap_or_else(|error| panic!("no Docker engine on {}: {error}; run tests/setup", socket.display()));
    connection.request(method, "docker", path, body).unwrap()
}

/// Asks the engine for JSON.
pub fn get(path: &str) -> Value {
    let response = request("GET", path);
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

/// The names of the containers that have this label and value, running or not.
pub fn container_names(label: &str, value: &str) -> Vec<String> {
    let containers = get(&format!("/containers/json?all=1&{}", label_filter(label, value)));
    let names = containers.as_array().unwrap().iter().filter_map(|container| container["Names"][0].as_str());
    names.map(|name| name.trim_start_matches('/').to_owned()).collect()
}

/// Removes every container, network and image that belongs to the server with this owner's name.
///
/// Tolerates what is gone already or cannot be removed: this is the clean-up, not the test.
pub fn remove_all_of(owner: &str) {
    let filter = label_filter("slipway.owner", owner);
    for (kind, list, query) in [
        ("containers", "/containers/json?all=1&", "?force=1&v=1"),
        ("networks", "/networks?", ""),
        ("images", "/images/json?all=0&", "?force=1"),
    ] {
        let found = get(&format!("{list}{filter}"));
        for id in found.as_array().into_iter().flatten().filter_map(|entry| entry["Id"].as_str()) {
            request("DELETE", &format!("/{kind}/{id}{query}"));
        }
    }
}

/// `{"label":["NAME=VALUE"]}`, percent-encoded for a query.
fn label_filter(name: &str, value: &str) -> String {
    format!("filters=%7B%22label%22%3A%5B%22{name}%3D{value}%22%5D%7D")
}
