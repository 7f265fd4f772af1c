//! New credentials under load.

use std::time::Duration;

use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::service_client::{can_use, deploy, keep, rows};
use crate::harness::service_data::{Kind, MARIADB, MYSQL, POSTGRES, RABBITMQ, REDIS, S3};
use crate::harness::wait::wait_until;

fn no_request_fails_while_credentials_are_rotated(kind: &Kind) {
    let variable = kind.variable;
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("busy");
    kind.run(&server, &alice, "create busydb");
    deploy(&server, &alice, &app);
    server.ssh(&alice, &format!("ps:scale {app} web=2")).success();
    kind.run(&server, &alice, &format!("link busydb {app}"));
    rows(&server, &app, variable);
    assert_eq!(keep(&server, &app, variable, 1).unwrap().status, 200);
    let url = || server.ssh(&alice, &format!("config:get {app} {variable}")).success().stdout;
    let first = url();
    assert!(can_use(&server, &app, &first));

    // Each request logs in anew, so each tries the credentials that its instance has.
    let path = format!("/rows?var={variable}");
    let load = Load::new().get(&server, &app, &path, (Connections::KeepAlive, 3)).get(
        &server,
        &app,
        &path,
        (Connections::New, 2),
    );
    for _ in 0..2 {
        let before = url();
        kind.run(&server, &alice, &format!("rotate busydb {app}"));
        assert_ne!(url(), before);
    }
    wait_until("the former user is gone", Duration::from_secs(90), || !can_use(&server, &app, &first));
    load.stop().assert_flawless();
    assert!(can_use(&server, &app, &url()), "those of today are worth something");
    assert_eq!(keep(&server, &app, variable, 2).unwrap().status, 200);
    assert_eq!(rows(&server, &app, variable), [1, 2], "what the former user made is the next one's too");

    // An older release runs with the credentials of today.
    server.ssh(&alice, &format!("releases:rollback {app}")).success();
    assert_eq!(rows(&server, &app, variable), [1, 2]);
}

#[test]
fn no_request_fails_while_credentials_of_postgres_are_rotated() {
    no_request_fails_while_credentials_are_rotated(&POSTGRES);
}

#[test]
fn no_request_fails_while_credentials_of_mariadb_are_rotated() {
    no_request_fails_while_credentials_are_rotated(&MARIADB);
}

#[test]
fn no_request_fails_while_credentials_of_mysql_are_rotated() {
    no_request_fails_while_credentials_are_rotated(&MYSQL);
}

#[test]
fn no_request_fails_while_credentials_of_redis_are_rotated() {
    no_request_fails_while_credentials_are_rotated(&REDIS);
}

#[test]
fn no_request_fails_while_credentials_of_rabbitmq_are_rotated() {
    no_request_fails_while_credentials_are_rotated(&RABBITMQ);
}

#[test]
fn no_request_fails_while_credentials_of_s3_are_rotated() {
    no_request_fails_while_credentials_are_rotated(&S3);
}
