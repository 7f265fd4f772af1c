//! From one major version of an engine to the next, and back.

use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::service_client::{deploy, keep, rows, rows_soon};
use crate::harness::service_data::{
    Kind, MARIADB, MYSQL, POSTGRES, RABBITMQ, REDIS, data_directories, nothing_is_left,
};

fn goes_to_the_next_major_version_and_back_until_it_is_confirmed(kind: &Kind) {
    let ([old, new], variable) = (kind.versions, kind.variable);
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    kind.run(&server, &alice, &format!("create blogdb -I {old}"));
    kind.fill(&server, &alice, "blogdb");
    let whole = kind.sum(&server, &alice, "blogdb");
    deploy(&server, &alice, &app);
    kind.run(&server, &alice, &format!("link blogdb {app}"));
    assert_eq!(rows(&server, &app, variable), [0; 0]);
    let keep = |number| assert_eq!(keep(&server, &app, variable, number).unwrap().status, 200);
    keep(7);
    assert!(kind.runs(&server, &alice, "blogdb", old));

    let upgraded = kind.run(&server, &alice, &format!("upgrade blogdb -I {new}"));
    assert!(upgraded.contains(&format!("{}:upgrade-confirm blogdb", kind.engine)), "{upgraded}");
    assert!(kind.runs(&server, &alice, "blogdb", new));
    assert_eq!(kind.sum(&server, &alice, "blogdb"), whole);
    assert_eq!(rows_soon(&server, &app, variable), [7]);
    keep(8);
    let again = server.ssh(&alice, &format!("{}:upgrade blogdb -I {old}", kind.engine));
    assert!(again.code != 0 && again.stderr.contains("upgrade-undo"), "{again}");
    let doctor = server.ssh(&alice, "doctor").stdout;
    assert!(doctor.contains("upgrade-confirm blogdb"), "{doctor}");

    kind.run(&server, &alice, "upgrade-undo --force blogdb");
    assert!(kind.runs(&server, &alice, "blogdb", old));
    assert_eq!(rows_soon(&server, &app, variable), [7], "what was written since is gone");
    keep(9);
    nothing_is_left(&server);

    kind.run(&server, &alice, &format!("upgrade blogdb -I {new}"));
    assert_eq!(rows_soon(&server, &app, variable), [7, 9]);
    let kept = data_directories(&server.root().join("services"));
    assert_eq!(kept[0].1.len(), 2, "{kept:?}");
    kind.run(&server, &alice, "upgrade-confirm blogdb");
    nothing_is_left(&server);
    assert!(server.ssh(&alice, &format!("{}:upgrade-undo --force blogdb", kind.engine)).code != 0);
    assert_eq!(kind.sum(&server, &alice, "blogdb"), whole);
}

#[test]
fn postgres_goes_to_the_next_major_version_and_back_until_it_is_confirmed() {
    goes_to_the_next_major_version_and_back_until_it_is_confirmed(&POSTGRES);
}

#[test]
fn mariadb_goes_to_the_next_major_version_and_back_until_it_is_confirmed() {
    goes_to_the_next_major_version_and_back_until_it_is_confirmed(&MARIADB);
}

#[test]
fn mysql_goes_to_the_next_major_version_and_back_until_it_is_confirmed() {
    goes_to_the_next_major_version_and_back_until_it_is_confirmed(&MYSQL);
}

/// Messages are on their way, and stay in the former data; what is defined goes along.
#[test]
fn rabbitmq_takes_its_definitions_to_the_next_major_version_and_back() {
    let [old, new] = RABBITMQ.versions;
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    RABBITMQ.run(&server, &alice, &format!("create bus -I {old}"));
    RABBITMQ.fill(&server, &alice, "bus");
    deploy(&server, &alice, &app);
    RABBITMQ.run(&server, &alice, &format!("link bus {app}"));
    assert_eq!(rows(&server, &app, "RABBITMQ_URL"), [0; 0]);
    assert_eq!(keep(&server, &app, "RABBITMQ_URL", 7).unwrap().status, 200);
    let whole = RABBITMQ.sum(&server, &alice, "bus");

    RABBITMQ.run(&server, &alice, &format!("upgrade bus -I {new}"));
    assert!(RABBITMQ.runs(&server, &alice, "bus", new));
    assert_eq!(RABBITMQ.sum(&server, &alice, "bus"), whole);
    assert_eq!(rows_soon(&server, &app, "RABBITMQ_URL"), [0; 0]);
    RABBITMQ.run(&server, &alice, "upgrade-undo --force bus");
    assert!(RABBITMQ.runs(&server, &alice, "bus", old));
    assert_eq!(rows_soon(&server, &app, "RABBITMQ_URL"), [7]);
    nothing_is_left(&server);
}

/// It reads the former version's data, so that nothing is dumped and nothing kept.
#[test]
fn redis_starts_in_its_next_major_version_on_the_same_data() {
    let [old, new] = REDIS.versions;
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    REDIS.run(&server, &alice, &format!("create cache -I {old}"));
    REDIS.fill(&server, &alice, "cache");
    let whole = REDIS.sum(&server, &alice, "cache");
    deploy(&server, &alice, &app);
    REDIS.run(&server, &alice, &format!("link cache {app}"));
    assert!(REDIS.runs(&server, &alice, "cache", old));

    REDIS.run(&server, &alice, &format!("upgrade cache -I {new}"));
    assert!(REDIS.runs(&server, &alice, "cache", new));
    assert_eq!(REDIS.sum(&server, &alice, "cache"), whole);
    assert_eq!(rows_soon(&server, &app, "REDIS_URL"), [0; 0]);
    assert_eq!(keep(&server, &app, "REDIS_URL", 7).unwrap().status, 200);
    assert_eq!(rows(&server, &app, "REDIS_URL"), [7]);
    let undone = server.ssh(&alice, "redis:upgrade-undo --force cache");
    assert!(undone.code != 0 && undone.stderr.contains("keeps no data of an earlier version"), "{undone}");
    nothing_is_left(&server);
}

#[test]
fn an_upgrade_that_fails_leaves_the_service_as_it_was() {
    let (server, alice) = Server::with_person("alice");
    REDIS.run(&server, &alice, "create cache");
    REDIS.fill(&server, &alice, "cache");
    let whole = REDIS.sum(&server, &alice, "cache");
    let failed = server.ssh(&alice, "redis:upgrade cache --config-options '--no-such-option 1'");
    assert!(failed.code != 0 && failed.stderr.contains("gets back"), "{failed}");
    assert_eq!(REDIS.run(&server, &alice, "info cache --status").trim(), "running");
    assert_eq!(REDIS.sum(&server, &alice, "cache"), whole);
    REDIS.run(&server, &alice, "upgrade cache --config-options '--maxmemory 64mb'");
    let said = REDIS.client(&server, &alice, "cache", "CONFIG GET maxmemory\n");
    assert!(said.contains("67108864"), "{said}");
    assert_eq!(REDIS.sum(&server, &alice, "cache"), whole);
    nothing_is_left(&server);
}
