//! `checks:*` as a person types them.

use insta::assert_snapshot;

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
fn checks_are_run_skipped_disabled_and_enabled() {
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
    assert_snapshot!(ssh("checks:run APP nosuch"), @"");
    assert_snapshot!(ssh("checks:run APP web.1,web.3"), @"");

    assert_snapshot!(ssh("checks:skip APP worker,web"), @"");
    assert_snapshot!(ssh("ps:restart APP"), @"");
    assert_snapshot!(ssh("checks:disable APP web"), @"");
    assert_snapshot!(ssh("checks:run APP"), @"");
    assert_snapshot!(ssh("checks:set APP wait-to-retire 10"), @"");
    assert_snapshot!(ssh("checks:set APP stability-window-ms soon"), @"");
    assert_snapshot!(ssh("checks:report APP"), @"");
    let before = server.get(&app, "/instance").text();
    assert_snapshot!(ssh("ps:restart APP web"), @"");
    assert_ne!(server.get(&app, "/instance").text(), before);
    assert_snapshot!(ssh("checks:enable APP"), @"");
    assert_eq!(ssh("checks:report APP --checks-disabled-list"), "none\n[exit code 0]\n");
    assert_eq!(ssh("checks:report APP --checks-skipped-list"), "none\n[exit code 0]\n");
}
