//! The app that keeps rows in services (tests/apps/service-client).

use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::harness::http::{self, Response};
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::wait::wait_for;

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

/// Has it keep a number, over the URL in a variable.
pub fn keep(server: &Server, app: &str, variable: &str, number: u64) -> std::io::Result<Response> {
    post(server, app, &format!("/rows?n={number}&var={variable}"))
}

/// The same over a URL that it does not have.
pub fn keep_at(server: &Server, app: &str, url: &str, number: u64) -> Response {
    let url = utf8_percent_encode(url, NON_ALPHANUMERIC);
    post(server, app, &format!("/rows?n={number}&url={url}")).unwrap()
}

fn post(server: &Server, app: &str, path: &str) -> std::io::Result<Response> {
    http::Connection::open(server.http_address())?.request("POST", &server.host(app), path, b"")
}

/// The numbers that it has kept, over the URL in a variable.
#[track_caller]
pub fn rows(server: &Server, app: &str, variable: &str) -> Vec<u64> {
    let answer = server.get(app, &format!("/rows?var={variable}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    numbers(&answer)
}

/// The same once it can reach the service, if it cannot at the moment.
#[track_caller]
pub fn rows_soon(server: &Server, app: &str, variable: &str) -> Vec<u64> {
    wait_for("the app connects", Duration::from_secs(30), || {
        let answer = server.get(app, &format!("/rows?var={variable}"));
        (answer.status == 200).then(|| numbers(&answer))
    })
}

/// Whether a URL that it does not have leads it to the service.
pub fn can_use(server: &Server, app: &str, url: &str) -> bool {
    let url = utf8_percent_encode(url.trim(), NON_ALPHANUMERIC);
    server.get(app, &format!("/rows?url={url}")).status == 200
}

fn numbers(answer: &Response) -> Vec<u64> {
    answer.text().lines().map(|line| line.parse().unwrap()).collect()
}
