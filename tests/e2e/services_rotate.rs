//! New credentials under load.

use std::time::Duration;

use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::service_client::{deploy, keep, rows};
use crate::harness::wait::wait_until;

#[test]
fn no_request_fails_while_credentials_are_rotated_and_the_former_ones_are_worth_nothing_then() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("busy");
    server.ssh(&alice, "postgres:create busydb").success();
    deploy(&server, &alice, &app);
    server.ssh(&alice, &format!("ps:scale {app} web=2")).success();
    server.ssh(&alice, &format!("postgres:link busydb {app}")).success();
    rows(&server, &app, "DATABASE_URL");
    keep(&server, &app, 1).unwrap();
    let url = || server.ssh(&alice, &format!("config:get {app} DATABASE_URL")).success().stdout;
    let first = url();

    // Each request logs in anew, so each tries the credentials that its instance has.
    let load = Load::new().get(&server, &app, "/rows", (Connections::KeepAlive, 3)).get(
        &server,
        &app,
        "/rows",
        (Connections::New, 2),
    );
    for _ in 0..2 {
        let before = url();
        server.ssh(&alice, &format!("postgres:rotate busydb {app}")).success();
        assert_ne!(url(), before);
    }
    let former = |url: &str| {
        let line = format!("postgres:enter busydb psql {} -Atc 'SELECT count(*) FROM kept'", local(url));
        server.ssh(&alice, &line)
    };
    wait_until("the former user is gone", Duration::from_secs(90), || former(&first).code != 0);
    load.stop().assert_flawless();
    assert_eq!(
        former(&url()).success().stdout.trim(),
        "1",
        "what the former user made is the next one's too"
    );
    assert_eq!(keep(&server, &app, 2).unwrap().status, 200);
    assert_eq!(rows(&server, &app, "DATABASE_URL"), [1, 2]);

    // An older release runs with the credentials of today.
    server.ssh(&alice, &format!("releases:rollback {app}")).success();
    assert_eq!(rows(&server, &app, "DATABASE_URL"), [1, 2]);
}

/// The same URL as the service itself knows it.
fn local(url: &str) -> String {
    url.trim().replace("slipway-postgres-busydb", "127.0.0.1")
}
