//! What becomes of running apps when the server goes and comes back.

use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;

#[test]
fn a_restart_of_the_server_restarts_no_app() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    torture::repo().push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();

    server.restart();

    server.wait_until_reachable(&app, "/");
    assert_eq!(server.get(&app, "/instance").text(), before);
    assert!(server.ssh(&alice, "apps:list").success().stdout.lines().any(|line| line == app));
}

#[test]
fn a_killed_server_finds_its_apps_again_and_only_its_own() {
    let (mut server, alice) = Server::with_person("alice");
    let (first, second) = (names::unique("blog"), names::unique("blog"));
    let repo = torture::repo();
    repo.push(&server, &alice, &first).success();
    repo.push(&server, &alice, &second).success();
    let instance = |server: &Server, app: &str| server.get(app, "/instance").text();
    let before = [instance(&server, &first), instance(&server, &second)];
    assert_ne!(before[0], before[1]);

    server.kill();
    server.start_again();

    server.wait_until_reachable(&first, "/");
    server.wait_until_reachable(&second, "/");
    assert_eq!([instance(&server, &first), instance(&server, &second)], before);
}

#[test]
fn nothing_is_left_in_the_engine_of_an_app_that_was_destroyed() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    torture::repo().push(&server, &alice, &app).success();
    let containers = || crate::harness::engine::container_names("com.dokku.app-name", &app);
    assert_eq!(containers(), [format!("{app}.web.1")]);

    server.ssh(&alice, &format!("--force apps:destroy {app}")).success();

    assert_eq!(containers(), [] as [String; 0]);
    assert_eq!(server.get(&app, "/").status, 404);
}
