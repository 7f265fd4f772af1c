//! Old instances that take their time: told once, killed when their time is over, and never in a deploy's way.

use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::{wait_for, wait_until};
use crate::harness::wholeness::wait_until_whole;

const BOUND: Duration = Duration::from_secs(30);
/// Says how often it was told to end, and does not.
const STUBBORN: &str = "web: /torture web
worker: sh -c 'trap \"echo told to end\" TERM; echo ready; while :; do sleep 0.1; done'
";

/// A server on which an app with one stubborn worker runs.
fn deployed() -> (Server, Person, String, Repo) {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("stopping"), torture::repo());
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("ps:scale {app} worker=1")).success();
    repo.write("Procfile", STUBBORN);
    repo.commit("A stubborn worker");
    repo.push(&server, &alice, &app).success();
    (server, alice, app, repo)
}

/// How often `text` stands in what a container printed.
fn said(container: &str, text: &str) -> usize {
    let logs = engine::request("GET", &format!("/containers/{container}/logs?stdout=1&stderr=1"));
    String::from_utf8_lossy(&logs.body).matches(text).count()
}

fn retired(app: &str) -> Vec<String> {
    let names = engine::container_names("com.dokku.app-name", app);
    names.into_iter().filter(|name| name.contains(".worker.1.retired-")).collect()
}

/// Until when each container may take, as the server has recorded it.
fn recorded(server: &Server) -> Vec<i64> {
    let database = server.database();
    let mut statement = database.prepare("SELECT until FROM stopping ORDER BY until").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_worker_gets_its_hours_whatever_becomes_of_the_server() {
    let (mut server, alice, app, _repo) = deployed();
    let ssh = |server: &Server, line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh(&server, "ps:set APP stop-timeout-seconds 7200 --process-type worker").success();
    wait_until("the worker can be told", BOUND, || said(&format!("{app}.worker.1"), "ready") == 1);

    let restarted = ssh(&server, "ps:restart APP worker").success().stdout;
    assert!(
        restarted.contains("-----> Old instances finish in the background: worker.1 (up to 7200 s)\n"),
        "{restarted}"
    );
    let old = wait_for("the old worker is told", BOUND, || {
        retired(&app).pop().filter(|name| said(name, "told to end") == 1)
    });
    let until = wait_for("its time is recorded", BOUND, || recorded(&server).pop());

    // Neither a restart nor a crash tells it again or gives it another time.
    server.restart();
    server.kill();
    server.start_again();
    ssh(&server, "ps:scale APP web=2").success();
    assert_eq!(recorded(&server), [until]);
    let running = engine::get(&format!("/containers/{old}/json"));
    assert_eq!(running["State"]["Running"], true);
    assert_eq!(said(&old, "told to end"), 1);

    // It ends by itself, and nothing is left of it.
    engine::act_on(&old, "kill");
    wait_until("the old worker is gone", BOUND, || retired(&app).is_empty());
    wait_until("and forgotten", BOUND, || recorded(&server).is_empty());
    wait_until_whole(&server);
}

#[test]
fn a_time_that_is_over_ends_what_does_not_end() {
    let (server, alice, app, _repo) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    // The process type's own time wins over the app's, and the app's over that of all apps.
    ssh("ps:set --global stop-timeout-seconds 900").success();
    ssh("ps:set APP stop-timeout-seconds 800").success();
    let shown = ssh("ps:restart APP worker").success().stdout;
    assert!(shown.contains("worker.1 (up to 800 s)"), "{shown}");
    ssh("ps:set APP --process-type worker stop-timeout-seconds 1").success();
    let shown = ssh("ps:restart APP worker").success().stdout;
    assert!(shown.contains("worker.1 (up to 1 s)"), "{shown}");
    wait_until("one old worker was killed in its time", BOUND, || {
        retired(&app).len() == 1 && recorded(&server).len() == 1
    });
    // The first one still has its 800 seconds; destroying the app ends it with everything else.
    ssh("--force apps:destroy APP").success();
    wait_until("nothing is left", BOUND, || {
        engine::container_names("slipway.owner", &server.owner()).is_empty() && recorded(&server).is_empty()
    });
}
