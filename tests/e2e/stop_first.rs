//! Apps of which two instances cannot run at a time: the old one ends first, and requests wait for the new one.

use std::time::Duration;

use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// An app with a volume that one instance may hold. It locks a file there, and exits if somebody else holds the lock.
fn app() -> (Server, Person, Repo, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("vault");
    let repo = torture::repo();
    for line in [
        format!("apps:create {app}"),
        format!("storage:create {app}-data"),
        format!("storage:mount --exclusive {app} {app}-data:/data"),
        format!("config:set {app} TORTURE_LOCK=/data/lock"),
    ] {
        server.ssh(&alice, &line).success();
    }
    repo.push(&server, &alice, &app).success();
    (server, alice, repo, app)
}

/// Whether some instance ever found the lock taken, and how often it was had.
fn assert_never_two(server: &Server, alice: &Person, app: &str, held: usize) {
    let lock = server.ssh(alice, &format!("run {app} cat /data/lock")).success();
    assert!(lock.stdout.lines().count() >= held, "it was held fewer than {held} times: {lock}");
    let log = server.ssh(alice, &format!("logs {app} -n 1000")).success();
    assert!(!log.stdout.contains("somebody else holds the lock"), "{log}");
}

#[test]
fn no_request_fails_while_instances_are_stopped_before_their_successors_start() {
    let (server, alice, repo, app) = app();
    let instance = || server.get(&app, "/instance").text();
    let body = vec![7; 20_000];
    let load = Load::new()
        .get(&server, &app, "/", (Connections::KeepAlive, 2))
        .get(&server, &app, "/sleep?ms=300", (Connections::New, 2))
        .add(&server, &app, ("POST", "/upload", &body), (Connections::KeepAlive, 1))
        .add(&server, &app, ("POST", "/upload", &body), (Connections::New, 1));

    torture::commit_version(&repo, "2");
    let pushed = repo.push(&server, &alice, &app).success();
    assert!(pushed.remote_lines().join("\n").contains("Stopping web.1 first; requests wait"), "{pushed}");
    assert!(instance().contains("\nversion 2\n"));
    server.ssh(&alice, &format!("ps:restart {app}")).success();
    let two = server.ssh(&alice, &format!("ps:scale {app} web=2"));
    assert!(two.code != 0 && two.stderr.contains("one instance at a time"), "{two}");

    // The new one does not come up, so that the old one is started again.
    let before = instance();
    let release = |text: &str| text.lines().find(|line| line.starts_with("release ")).map(str::to_owned);
    let refused = server.ssh(&alice, &format!("config:set {app} TORTURE_EXIT=3"));
    assert_ne!(refused.code, 0, "{refused}");
    assert!(
        refused.stderr.contains("web.1 of before again") || refused.stdout.contains("web.1 of before again"),
        "{refused}"
    );
    assert_eq!(release(&instance()), release(&before));
    server.ssh(&alice, &format!("config:unset {app} TORTURE_EXIT")).success();
    load.stop().assert_flawless();
    wait_until_whole(&server);
    assert_never_two(&server, &alice, &app, 5);

    // The same for an app without a volume, for which somebody said so.
    server.ssh(&alice, &format!("storage:unmount {app} {app}-data:/data")).success();
    server.ssh(&alice, &format!("config:unset {app} TORTURE_LOCK")).success();
    server.ssh(&alice, &format!("ps:set {app} deploy-strategy stop-first")).success();
    let said = server.ssh(&alice, &format!("ps:restart {app}")).success().stdout;
    assert!(said.contains("Stopping web.1 first; requests wait"), "{said}");
}

#[test]
fn a_server_that_is_killed_between_stop_and_start_comes_back_with_the_old_release() {
    let (mut server, alice, repo, app) = app();
    server.ssh(&alice, &format!("config:set {app} TORTURE_BOOT_MS=1000")).success();
    torture::commit_version(&repo, "2");
    let mut push = repo.start_push(&server, &alice, &app);
    push.wait_for_line("Attempting pre-flight checks");
    server.kill();
    push.kill();
    server.start_again();
    server.wait_until_reachable(&app, "/instance");
    assert!(server.get(&app, "/instance").text().contains("\nversion 1\n"));
    wait_until_whole(&server);
    wait_until("a push afterwards", Duration::from_secs(30), || repo.push(&server, &alice, &app).code == 0);
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    assert_never_two(&server, &alice, &app, 4);
}
