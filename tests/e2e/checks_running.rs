//! Instances while they run: not ready, not alive, crashing, out of memory.

use std::net::SocketAddr;
use std::time::Duration;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::{wait_for, wait_until};
use crate::harness::{engine, http};

const BOUND: Duration = Duration::from_secs(40);

/// A server on which the torture app runs with these checks of web.
fn deployed(checks: &serde_json::Value) -> (Server, Person, Repo, String) {
    let (server, alice) = Server::with_person("alice");
    let (repo, app) = (torture::repo(), names::unique("watched"));
    let json = serde_json::json!({ "healthchecks": { "web": checks } });
    repo.write("app.json", json.to_string());
    repo.commit("Checks");
    repo.push(&server, &alice, &app).success();
    (server, alice, repo, app)
}

/// Asks one instance itself, past the router.
fn ask(app: &str, instance: &str, path: &str) -> String {
    let facts = engine::get(&format!("/containers/{app}.{instance}/json"));
    let networks = facts["NetworkSettings"]["Networks"].as_object().unwrap();
    let address = networks.values().next().unwrap()["IPAddress"].as_str().unwrap();
    let address: SocketAddr = format!("{address}:5000").parse().unwrap();
    http::get(address, "localhost", path).unwrap().text()
}

/// What `ps:report` says of one instance.
fn status(server: &Server, person: &Person, app: &str, instance: &str) -> String {
    server.ssh(person, &format!("ps:report {app} --ps-status-{instance}")).stdout.trim().to_owned()
}

fn wait_for_status(server: &Server, person: &Person, (app, instance): (&str, &str), start: &str) -> String {
    wait_for(&format!("{instance} is {start}"), BOUND, || {
        let now = status(server, person, app, instance);
        now.starts_with(start).then_some(now)
    })
}

#[test]
fn an_instance_that_is_not_ready_gets_no_requests() {
    let (server, alice, _repo, app) =
        deployed(&serde_json::json!([{ "type": "readiness", "path": "/mood", "attempts": 1, "wait": 1 }]));
    server.ssh(&alice, &format!("ps:scale {app} web=2")).success();

    ask(&app, "web.1", "/mood?set=503");
    wait_for_status(&server, &alice, (&app, "web.1"), "running (not ready, CID: ");
    for _ in 0..20 {
        let answered = server.get(&app, "/instance").text();
        assert!(answered.contains("\ndyno web.2\n"), "{answered}");
    }

    // With nobody ready, somebody has to answer all the same.
    ask(&app, "web.2", "/mood?set=503");
    wait_for_status(&server, &alice, (&app, "web.2"), "running (not ready, CID: ");
    assert_eq!(server.get(&app, "/").text(), "torture\n");

    ask(&app, "web.1", "/mood?set=200");
    wait_for_status(&server, &alice, (&app, "web.1"), "running (CID: ");
    let answered = server.get(&app, "/instance").text();
    assert!(answered.contains("\ndyno web.1\n"), "{answered}");

    // A deploy waits until the new ones are ready: they have a mood of their own.
    server.ssh(&alice, &format!("ps:restart {app}")).success();
    for instance in ["web.1", "web.2"] {
        assert!(status(&server, &alice, &app, instance).starts_with("running (CID: "));
    }
}

#[test]
fn an_instance_that_does_not_live_is_restarted() {
    let (server, alice, _repo, app) =
        deployed(&serde_json::json!([{ "type": "liveness", "path": "/mood", "attempts": 2, "wait": 1 }]));
    let container = engine::get(&format!("/containers/{app}.web.1/json"))["Id"].clone();
    let before = ask(&app, "web.1", "/instance");

    ask(&app, "web.1", "/mood?set=503");

    wait_until("it is another process", BOUND, || {
        let now = http::get(server.http_address(), &server.host(&app), "/instance");
        now.is_ok_and(|answer| answer.status == 200 && answer.text() != before)
    });
    assert_eq!(engine::get(&format!("/containers/{app}.web.1/json"))["Id"], container);
    wait_until("its end and its return are told", BOUND, || {
        let log = server.log();
        log.contains("restarting an instance whose liveness check failed")
            && log.contains("a restarted instance is up again")
    });
    wait_for_status(&server, &alice, (&app, "web.1"), "running (");
}

#[test]
fn crash_loops_and_a_lack_of_memory_are_named() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("crashing");
    torture::repo().push(&server, &alice, &app).success();

    let limits = r#"{"Memory":67108864,"MemorySwap":67108864}"#;
    let path = format!("/containers/{app}.web.1/update");
    let updated = engine::request_with("POST", &path, ("application/json", limits.as_bytes()));
    assert_eq!(updated.status, 200, "{}", updated.text());
    let eaten = server.get(&app, "/eat?mb=200");
    assert_ne!(eaten.status, 200, "{}", eaten.text());
    wait_until("the lack of memory is told", BOUND, || {
        status(&server, &alice, &app, "web.1").contains("oom-killed")
    });
    assert_eq!(server.log().matches("ran out of memory and was oom-killed").count(), 1);
    server.wait_until_reachable(&app, "/");

    // Passes its check, which is to stay up for a second, and goes on to crash for ever.
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_LIVE_MS=1300")).success();
    server.ssh(&alice, &format!("checks:skip {app} web")).success();
    server.ssh(&alice, &format!("ps:scale {app} worker=1")).success();
    let named = wait_for_status(&server, &alice, (&app, "worker.1"), "crash-looping (exited 1, ");
    assert!(named.contains(" restarts, CID: "), "{named}");
    wait_for_status(&server, &alice, (&app, "web.1"), "crash-looping (exited 1, ");
    assert_eq!(server.ssh(&alice, &format!("ps:report {app} --ps-running")).stdout, "false\n");
    assert_eq!(server.log().matches("an instance is crash-looping").count(), 2, "{}", server.log());

    server.ssh(&alice, &format!("config:unset {app} TORTURE_LIVE_MS")).success();
    assert!(status(&server, &alice, &app, "worker.1").starts_with("running (CID: "));
}
