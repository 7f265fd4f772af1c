//! The main way: a push, and what is reachable after it.

use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;

#[test]
fn push_becomes_reachable() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");

    let push = torture::repo().push(&server, &alice, &app).success();

    let lines = push.remote_lines();
    assert!(lines.iter().any(|line| line.starts_with("-----> ")), "no build log in:\n{push}");
    let last = lines.iter().rfind(|line| !line.trim().is_empty());
    assert_eq!(
        last.map(|line| line.trim()),
        Some(server.url(&app).as_str()),
        "no URL at the end of:\n{push}"
    );
    assert_eq!(server.get(&app, "/").text(), "torture\n");
    assert!(server.get(&app, "/instance").text().contains("\ndyno web.1\n"));
}
