//! From one major version of an engine to the next, and back.

use std::time::Duration;

use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::service_client::{deploy, keep, rows};
use crate::harness::service_data::{POSTGRES, REDIS, data_directories, nothing_is_left};
use crate::harness::wait::wait_until;

#[test]
fn postgres_goes_to_the_next_major_version_and_back_until_it_is_confirmed() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    POSTGRES.run(&server, &alice, "create blogdb -I 15");
    POSTGRES.fill(&server, &alice, "blogdb");
    let whole = POSTGRES.sum(&server, &alice, "blogdb");
    deploy(&server, &alice, &app);
    POSTGRES.run(&server, &alice, &format!("link blogdb {app}"));
    assert_eq!(rows(&server, &app, "DATABASE_URL"), Vec::<u64>::new());
    assert_eq!(rows(&server, &app, "DATABASE_URL"), [0; 0]);
    assert_eq!(keep(&server, &app, 7).unwrap().status, 200);
    let version = || POSTGRES.client(&server, &alice, "blogdb", "SHOW server_version;");
    let serves = || {
        wait_until("the app connects", Duration::from_secs(30), || {
            server.get(&app, "/rows?var=DATABASE_URL").status == 200
        });
        rows(&server, &app, "DATABASE_URL")
    };
    assert!(version().contains("15."));

    let upgraded = POSTGRES.run(&server, &alice, "upgrade blogdb -I 17");
    assert!(upgraded.contains("postgres:upgrade-confirm blogdb"), "{upgraded}");
    assert!(version().contains("17."));
    assert_eq!(POSTGRES.sum(&server, &alice, "blogdb"), whole);
    assert_eq!(serves(), [7]);
    assert_eq!(keep(&server, &app, 8).unwrap().status, 200);
    let again = server.ssh(&alice, "postgres:upgrade blogdb -I 15");
    assert!(again.code != 0 && again.stderr.contains("upgrade-undo"), "{again}");
    let doctor = server.ssh(&alice, "doctor").stdout;
    assert!(doctor.contains("upgrade-confirm blogdb"), "{doctor}");

    POSTGRES.run(&server, &alice, "upgrade-undo --force blogdb");
    assert!(version().contains("15."));
    assert_eq!(serves(), [7], "what was written since is gone");
    assert_eq!(keep(&server, &app, 9).unwrap().status, 200);
    nothing_is_left(&server);

    POSTGRES.run(&server, &alice, "upgrade blogdb -I 17");
    assert_eq!(serves(), [7, 9]);
    let kept = data_directories(&server.root().join("services"));
    assert_eq!(kept[0].1.len(), 2, "{kept:?}");
    POSTGRES.run(&server, &alice, "upgrade-confirm blogdb");
    nothing_is_left(&server);
    assert!(server.ssh(&alice, "postgres:upgrade-undo --force blogdb").code != 0);
    assert_eq!(POSTGRES.sum(&server, &alice, "blogdb"), whole);
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
