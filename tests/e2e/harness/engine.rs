//! The Docker engine as the tests see it, past the server under test.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::http::{Connection, Response};

/// The engine that this test, and every server it starts, talks to. nextest runs each test in its own process.
static SOCKET: OnceLock<PathBuf> = OnceLock::new();

/// Where the engine listens: a private one if the test started it, else that of `SLIPWAY_DOCKER`.
pub fn socket() -> &'static Path {
    SOCKET.get_or_init(|| {
        env::var_os("SLIPWAY_DOCKER").map_or_else(|| PathBuf::from("/var/run/docker.sock"), PathBuf::from)
    })
}

/// Makes an engine of the test's own the one that everything talks to; has to come before anything does.
pub fn use_socket(path: PathBuf) {
    SOCKET.set(path).expect("the engine is chosen before it is used");
}

/// Whether an engine listens.
pub fn is_up() -> bool {
    Connection::open_unix(socket())
        .and_then(|mut connection| connection.get("docker", "/_ping"))
        .is_ok_and(|answer| answer.status == 200)
}

/// Asks the engine.
pub fn request(method: &str, path: &str) -> Response {
    request_with(method, path, ("application/json", b""))
}

/// Asks the engine, with a body of some type.
pub fn request_with(method: &str, path: &str, (kind, body): (&str, &[u8])) -> Response {
    let socket = socket();
    let mut connection = Connection::open_unix(socket)
        .unwrap_or_else(|error| panic!("no Docker engine on {}: {error}; run tests/setup", socket.display()));
    connection.request_with(method, "docker", path, (Some(("Content-Type", kind)), body)).unwrap()
}

/// Does something to a container: `start`, `stop?t=1`, `kill`.
#[track_caller]
pub fn act_on(container: &str, action: &str) {
    let response = request("POST", &format!("/containers/{container}/{action}"));
    assert!(response.status < 400, "{action} of {container}: {}", response.text());
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

/// The names of all images that have this label and value, or `[]` with the id for one without a name.
pub fn image_names(label: &str, value: &str) -> Vec<String> {
    let images = get(&format!("/images/json?{}", label_filter(label, value)));
    let name = |image: &Value| {
        let name = image["RepoTags"][0].as_str().filter(|name| *name != "<none>:<none>");
        name.map_or_else(|| format!("[] {}", image["Id"]), str::to_owned)
    };
    let mut names: Vec<String> = images.as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

/// Removes every container, network, image and volume that belongs to the server with this owner's name.
///
/// Tolerates what is gone already or cannot be removed: this is the clean-up, not the test.
pub fn remove_all_of(owner: &str) {
    if !is_up() {
        return;
    }
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
    let volumes = get(&format!("/volumes?{filter}"));
    for name in volumes["Volumes"].as_array().into_iter().flatten().filter_map(|found| found["Name"].as_str())
    {
        request("DELETE", &format!("/volumes/{name}"));
    }
}

/// `{"label":["NAME=VALUE"]}`, percent-encoded for a query.
pub fn label_filter(name: &str, value: &str) -> String {
    format!("filters=%7B%22label%22%3A%5B%22{name}%3D{value}%22%5D%7D")
}
