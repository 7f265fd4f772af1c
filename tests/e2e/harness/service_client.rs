//! The app that keeps rows in services (tests/apps/service-client).

use std::path::Path;

use crate::harness::http::{self, Response};
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;

/// Its repository. The engine builds it once: what takes time in it is always the same.
pub fn repo() -> Repo {
    let repo = Repo::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/service-client");
    for name in ["Dockerfile", "app.py"] {
        repo.write(name, std::fs::read(folder.join(name)).unwrap());
    }
    repo.commit("A client of services");
    repo
}

/// Deploys it.
pub fn deploy(server: &Server, person: &Person, app: &str) {
    repo().push(server, person, app).success();
}

/// Has it keep a number.
pub fn keep(server: &Server, app: &str, number: u64) -> std::io::Result<Response> {
    let mut connection = http::Connection::open(server.http_address())?;
    connection.request("POST", &server.host(app), &format!("/rows?n={number}"), b"")
}

/// The numbers that it has kept, over the URL in a variable.
#[track_caller]
pub fn rows(server: &Server, app: &str, variable: &str) -> Vec<u64> {
    let answer = server.get(app, &format!("/rows?var={variable}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().lines().map(|line| line.parse().unwrap()).collect()
}
