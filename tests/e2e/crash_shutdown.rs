//! SIGTERM: what is under way ends well, what cannot end is cancelled cleanly, and nobody waits for what never ends.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::engine;
use crate::harness::http;
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

fn wait_for_container(app: &str, part: &str) {
    wait_until(&format!("a container of {app} with `{part}` in its name"), Duration::from_secs(30), || {
        engine::container_names("slipway.app", app).iter().any(|name| name.contains(part))
    });
}

#[test]
fn requests_and_a_deploy_under_way_are_finished_and_followers_are_sent_away() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("stop");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=2000")).success();
    let mut follower = server.start_ssh(&alice, &format!("logs {app} -t"));
    follower.wait_for_line("listening on");
    let mut on_host = server.start_command(&["logs", &app, "-t"]);
    on_host.wait_for_line("listening on");

    torture::commit_version(&repo, "2");
    let mut push = repo.start_push(&server, &alice, &app);
    wait_for_container(&app, ".upcoming-");
    let (address, host) = (server.http_address(), server.host(&app));
    let slow = thread::spawn(move || http::get(address, &host, "/sleep?ms=4000"));
    wait_until("the request is under way", Duration::from_secs(5), || {
        server.get(&app, "/instance").status == 200
    });
    let began = Instant::now();
    server.begin_stop();

    push.wait_for_line(&server.url(&app));
    push.success();
    assert_eq!(slow.join().unwrap().unwrap().text(), "slept 4000 ms\n");
    let status = server.finish_stop();
    assert!(status.success(), "the server ended with {status}");
    assert!(began.elapsed() < Duration::from_secs(12), "it took {:?}", began.elapsed());
    follower.finish();
    on_host.finish();

    server.start_again();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    wait_until_whole(&server);
}

#[test]
fn a_build_that_does_not_end_is_cancelled() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("stop");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let good = fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", format!("{good}RUN echo the endless step; sleep 600\n"));
    repo.commit("An endless step");
    let mut push = repo.start_push(&server, &alice, &app);
    push.wait_for_line("the endless step");

    let began = Instant::now();
    server.begin_stop();
    assert_ne!(push.finish(), 0, "the push was taken");
    let status = server.finish_stop();
    assert!(status.success(), "the server ended with {status}");
    // systemd kills a minute after it asked.
    assert!(began.elapsed() < Duration::from_secs(50), "it took {:?}", began.elapsed());

    server.start_again();
    assert!(server.get(&app, "/instance").text().contains("\nversion 1\n"));
    let builds = server.ssh(&alice, &format!("builds:list {app}")).success().stdout;
    assert!(builds.lines().nth(1).is_some_and(|newest| newest.contains("canceled")), "{builds}");
    wait_until_whole(&server);
}

#[test]
fn a_second_server_on_the_same_root_is_turned_away_and_harms_nothing() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("twice");
    torture::repo().push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    let listening = fs::read(server.root().join("listen.json")).unwrap();

    let second = server.start_second();

    assert_ne!(second.code, 0);
    assert!(second.stderr.contains("another server is running on"), "{second}");
    assert_eq!(fs::read(server.root().join("listen.json")).unwrap(), listening);
    assert_eq!(server.get(&app, "/instance").text(), before);
    server.command(&["apps:list"]).success();
    server.ssh(&alice, "apps:list").success();
    wait_until_whole(&server);
}
