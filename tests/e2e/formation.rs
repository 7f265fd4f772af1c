//! How many instances of what run: scaling, restarting, stopping, process types that come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const BOUND: Duration = Duration::from_secs(30);

/// A server on which the torture app runs.
fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("formation");
    torture::repo().push(&server, &alice, &app).success();
    (server, alice, app)
}

/// The names of an app's containers without the app's, those left out that are being retired.
fn instances(app: &str) -> BTreeSet<String> {
    let names = engine::container_names("com.dokku.app-name", app);
    let own = names.iter().filter_map(|name| name.strip_prefix(&format!("{app}.")));
    own.filter(|name| !name.contains(".retired-")).map(str::to_owned).collect()
}

/// The values of one line of `/instance` over so many requests, each on a connection of its own.
fn answers(server: &Server, app: &str, line: &str, requests: usize) -> Vec<String> {
    let value = |text: String| {
        text.lines().find_map(|found| found.strip_prefix(&format!("{line} "))).unwrap().to_owned()
    };
    (0..requests).map(|_| value(server.get(app, "/instance").text())).collect()
}

#[test]
fn three_instances_share_the_requests_and_scaling_touches_no_other() {
    let (server, alice, app) = deployed();
    let first = answers(&server, &app, "id", 1);

    server.ssh(&alice, &format!("ps:scale {app} web=3 worker=1")).success();

    assert_eq!(instances(&app), ["web.1", "web.2", "web.3", "worker.1"].map(str::to_owned).into());
    let dynos = answers(&server, &app, "dyno", 90);
    for dyno in ["web.1", "web.2", "web.3"] {
        let count = dynos.iter().filter(|answered| *answered == dyno).count();
        // More go to those that answer sooner; none is left out.
        assert!(count > 0, "{dyno} answered {count} of 90 requests: {dynos:?}");
    }
    assert_snapshot!(server.ssh(&alice, &format!("ps:scale {app}")).shown(&server, &app), @r"
    -----> Scaling for blog
    proctype:  qty
    --------:  ---
    web:       3
    worker:    1
    [exit code 0]
    ");
    let json = server.ssh(&alice, &format!("ps:scale {app} --format json")).success().json();
    assert_eq!(json[0], serde_json::json!({ "process_type": "web", "quantity": 3 }));

    server.ssh(&alice, &format!("ps:scale {app} web=1")).success();
    assert_eq!(instances(&app), ["web.1", "worker.1"].map(str::to_owned).into());
    assert_eq!(answers(&server, &app, "id", 5), vec![first[0].clone(); 5], "web.1 was replaced");

    let zero = server.ssh(&alice, &format!("ps:scale {app} web=0")).success();
    assert_snapshot!(zero.shown(&server, &app), @r"
    -----> Scaling blog processes: web=0
    -----> Deploying blog v1
    -----> Deploying web (count=0)
    -----> Deploying worker (count=1)
    =====> Application deployed:
           (no web process runs: ps:scale blog web=1)
    [exit code 0]
    ");
    let nobody = server.get(&app, "/");
    assert_eq!((nobody.status, nobody.header("retry-after").is_some()), (503, true), "{}", nobody.text());
    server.ssh(&alice, &format!("ps:scale {app} web=1")).success();
    assert_eq!(server.get(&app, "/").text(), "torture\n");
}

#[test]
fn quantities_that_make_no_sense_are_refused_and_change_nothing() {
    let (server, alice, app) = deployed();
    let scale = |words: &str| server.ssh(&alice, &format!("ps:scale {app} {words}")).shown(&server, &app);

    assert_snapshot!(scale("web"), @r"
     !     Missing count for process type web
     !     Write a number from 0 to 100: web=2
    [exit code 1]
    ");
    for wrong in ["web=", "web=x", "web=-1", "web=101", "web=99999999999", "web=1.5"] {
        let said = scale(wrong);
        assert!(said.starts_with(" !     Invalid count for process type web\n"), "{wrong}: {said}");
    }
    assert_snapshot!(scale("web=2 nosuch=1"), @r"
     !     blog has no process type nosuch
     !     It has: web, worker
    [exit code 1]
    ");
    let restart = server.ssh(&alice, &format!("ps:restart {app} nosuch"));
    assert_snapshot!(restart.shown(&server, &app), @r"
     !     blog has no process type nosuch
     !     It has: web, worker
    [exit code 1]
    ");
    assert_eq!(instances(&app), ["web.1".to_owned()].into());
    let quantity = |json: serde_json::Value| json[0]["quantity"].clone();
    assert_eq!(quantity(server.ssh(&alice, &format!("ps:scale {app} --format json")).json()), 1);
}

#[test]
fn a_formation_can_be_set_before_the_first_deploy() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("formation");
    server.ssh(&alice, &format!("apps:create {app}")).success();

    let scale = server.ssh(&alice, &format!("ps:scale {app} web=2 worker=1")).success();
    assert_snapshot!(scale.shown(&server, &app), @r"
    -----> Scaling blog processes: web=2 worker=1
           Recorded for the next deploy
    [exit code 0]
    ");
    for command in ["ps:restart", "ps:rebuild", "ps:start", "ps:stop"] {
        let said = server.ssh(&alice, &format!("{command} {app}")).exits_with(1).shown(&server, &app);
        assert!(
            said.starts_with(" !     App blog has not been deployed\n !     Deploy it first: "),
            "{said}"
        );
    }

    torture::repo().push(&server, &alice, &app).success();
    assert_eq!(instances(&app), ["web.1", "web.2", "worker.1"].map(str::to_owned).into());
}

#[test]
fn restarting_stopping_starting_and_rebuilding() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &format!("{line} {app}")).success().shown(&server, &app);
    let id = || answers(&server, &app, "id", 1);
    server.ssh(&alice, &format!("ps:scale {app} worker=1")).success();

    let before = id();
    server.ssh(&alice, &format!("ps:restart {app} worker")).success();
    assert_eq!(id(), before, "ps:restart of worker replaced web");
    ssh("ps:restart");
    let restarted = id();
    assert_ne!(restarted, before);

    assert_snapshot!(ssh("ps:stop"), @r"
    -----> Stopping blog
    [exit code 0]
    ");
    assert_eq!(server.get(&app, "/").status, 503);
    wait_until("no container is left", BOUND, || {
        engine::container_names("com.dokku.app-name", &app).is_empty()
    });
    assert!(ssh("ps:stop").starts_with("-----> App blog already stopped\n"));
    let report = ssh("ps:report");
    let first: Vec<&str> = report.lines().take(6).collect();
    assert_snapshot!(first.join("\n"), @r"
    =====> blog ps information
           Ps deployed:                   true
           Ps processes:                  0
           Ps can scale:                  true
           Ps running:                    false
           Ps stopped:                    true
    ");
    assert!(report.contains("       Ps computed restart policy:    unless-stopped\n"), "{report}");
    let scale = server.ssh(&alice, &format!("ps:scale {app} worker=0")).success().stdout;
    assert!(scale.contains("Recorded for the next ps:start"), "{scale}");

    ssh("ps:start");
    assert_eq!(server.get(&app, "/").text(), "torture\n");
    assert_eq!(instances(&app), ["web.1".to_owned()].into());
    assert!(ssh("ps:start").starts_with("-----> App blog already running\n"));
    let report = server.ssh(&alice, &format!("ps:report {app} --format json")).success().json();
    assert_eq!(
        [&report["deployed"], &report["processes"], &report["running"], &report["stopped"]],
        ["true", "1", "true", "false"]
    );
    assert!(report["status-web.1"].as_str().unwrap().starts_with("running (CID: "), "{report}");
    assert_eq!(server.ssh(&alice, &format!("ps:report {app} --ps-running")).stdout, "true\n");

    let before = id();
    let rebuilt = ssh("ps:rebuild");
    assert!(rebuilt.contains("-----> Building blog from Dockerfile\n"), "{rebuilt}");
    assert!(rebuilt.contains("-----> Deploying blog v2\n"), "{rebuilt}");
    assert_ne!(id(), before);
}

#[test]
fn process_types_come_and_go_with_the_procfile() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("formation"), torture::repo());
    repo.push(&server, &alice, &app).success();
    server.ssh(&alice, &format!("ps:scale {app} worker=2")).success();
    assert_eq!(instances(&app), ["web.1", "worker.1", "worker.2"].map(str::to_owned).into());

    repo.write("Procfile", "web: /torture web\nclock: /torture worker\n");
    repo.commit("The worker is called clock now");
    repo.push(&server, &alice, &app).success();

    wait_until("the old workers are gone", BOUND, || {
        let containers = engine::container_names("com.dokku.app-name", &app);
        containers == [format!("{app}.web.1")]
    });
    let said = server.ssh(&alice, &format!("ps:scale {app} worker=1")).exits_with(1).stderr;
    assert!(said.contains("has no process type worker") && said.contains("It has: clock, web"), "{said}");
    server.ssh(&alice, &format!("ps:scale {app} clock=1")).success();
    assert_eq!(instances(&app), ["clock.1", "web.1"].map(str::to_owned).into());

    // Without a Procfile the image's own command is the web process.
    std::fs::remove_file(repo.path().join("Procfile")).unwrap();
    repo.commit("No Procfile");
    repo.push(&server, &alice, &app).success();
    assert_eq!(instances(&app), ["web.1".to_owned()].into());
    assert_eq!(server.get(&app, "/").text(), "torture\n");
}
