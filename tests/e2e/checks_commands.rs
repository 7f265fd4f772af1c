//! `checks:*` as a person types them.

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;

/// A server on which the torture app runs as two process types.
fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("checks");
    torture::repo().push(&server, &alice, &app).success();
    server.ssh(&alice, &format!("ps:scale {app} worker=1")).success();
    (server, alice, app)
}

#[test]
fn checks_are_run_against_what_runs() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).shown(&server, &app);

    assert_snapshot!(ssh("checks:run APP"), @r"
    -----> Running pre-flight checks
    -----> Running checks for app (blog.web.1)
           All checks successful (web.1)
    -----> Running checks for app (blog.worker.1)
           All checks successful (worker.1)
    [exit code 0]
    ");
    assert_snapshot!(ssh("checks:run APP nosuch"), @r"
     !     Invalid process type specified (blog.nosuch)
     !     It has: web, worker
    [exit code 1]
    ");
    assert_snapshot!(ssh("checks:run APP web.1,web.3"), @r"
     !     Invalid container index specified (blog.web.3)
     !     It has: web.1, worker.1
    [exit code 1]
    ");
    let container = format!("{app}.web.1");
    engine::act_on(&container, "pause");
    let said = ssh("checks:run APP web");
    engine::act_on(&container, "unpause");
    assert!(said.ends_with("[exit code 1]") && said.contains("failed checks (web.1)"), "{said}");
}

#[test]
fn checks_are_skipped_disabled_and_enabled() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).shown(&server, &app);

    assert_snapshot!(ssh("checks:skip APP worker,web"), @r"
    -----> Skipping zero downtime for app's (blog) proctypes (web,worker)
    [exit code 0]
    ");
    assert_snapshot!(ssh("ps:restart APP web"), @r"
    -----> Restarting blog
    -----> Deploying blog v1
    -----> Deploying web (count=1)
    -----> Deploying worker (count=1)
    =====> Zero downtime checks have been skipped (web.1)
    =====> Application deployed:
           http://blog.test.localhost
    [exit code 0]
    ");
    assert_snapshot!(ssh("checks:disable APP web"), @r"
    -----> Disabling zero downtime for app's (blog) proctypes (web)
     !     From the next deploy on, old instances stop before new ones start: requests have to wait
    [exit code 0]
    ");
    assert_snapshot!(ssh("checks:run APP"), @r"
    -----> Running pre-flight checks
    -----> Zero downtime is disabled for app (blog.web). Skipping checks
    -----> Running checks for app (blog.worker.1)
           All checks successful (worker.1)
    [exit code 0]
    ");
    settings_are_checked_and_reported(&ssh);
    let before = server.get(&app, "/instance").text();
    assert_snapshot!(ssh("ps:restart APP web"), @r"
    -----> Restarting blog
    -----> Deploying blog v1
    -----> Deploying web (count=1)
    -----> Deploying worker (count=1)
    -----> Stopping web.1 first; requests wait
    =====> Zero downtime checks have been skipped (web.1)
    =====> Application deployed:
           http://blog.test.localhost
    [exit code 0]
    ");
    assert_ne!(server.get(&app, "/instance").text(), before);
    assert_snapshot!(ssh("checks:enable APP"), @r"
    -----> Enabling zero downtime for app (blog)
    [exit code 0]
    ");
    for list in ["disabled", "skipped"] {
        let list = server.ssh(&alice, &format!("checks:report {app} --checks-{list}-list"));
        assert_eq!(list.success().stdout, "none\n");
    }
}

fn settings_are_checked_and_reported(ssh: &impl Fn(&str) -> String) {
    assert_snapshot!(ssh("checks:set APP wait-to-retire 10"), @r"
    =====> Setting wait-to-retire to 10
    [exit code 0]
    ");
    assert_snapshot!(ssh("checks:set APP stability-window-ms soon"), @r"
     !     soon is not a number of milliseconds from 0 to 86400000
     !     For example: checks:set APP stability-window-ms 300
    [exit code 1]
    ");
    assert_snapshot!(ssh("checks:report APP"), @r"
    =====> blog checks information
           Checks disabled list:          web
           Checks skipped list:           worker
           Checks stability window ms:
           Checks global stability window ms:
           Checks computed stability window ms: 300
           Checks wait to retire:         10
           Checks global wait to retire:
           Checks computed wait to retire: 10
    [exit code 0]
    ");
}
