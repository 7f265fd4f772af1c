//! A server that is killed in the middle of a deploy: the old release serves after the next start, or the new one.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::engine;
use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// How often the server is killed in the course of one deploy.
const KILLS: u32 = 12;

/// The version that an app tells.
fn version(server: &Server, app: &str) -> String {
    let answer = server.get(app, "/instance");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let version =
        text.lines().find_map(|line| line.strip_prefix("version ")).expect("a version in the answer");
    version.to_owned()
}

/// The status of the newest build.
fn last_build(server: &Server, app: &str) -> String {
    let sql =
        "SELECT status FROM builds JOIN apps ON apps.id = app WHERE apps.name = ?1 ORDER BY builds.id DESC";
    server.database().query_row(sql, [app], |row| row.get(0)).unwrap()
}

/// Names of the app's containers.
fn containers(app: &str) -> Vec<String> {
    engine::container_names("slipway.app", app)
}

fn wait_for_container(app: &str, part: &str) {
    wait_until(&format!("a container of {app} with `{part}` in its name"), Duration::from_secs(30), || {
        containers(app).iter().any(|name| name.contains(part))
    });
}

/// Kills and starts the server, and checks at once that the app serves one of these versions, then that all is whole.
fn kill_and_look(server: &mut Server, app: &str, allowed: &[&str]) -> String {
    server.kill();
    server.start_again();
    // From the moment when it says that it listens, each request is answered.
    let load = Load::new().get(server, app, "/", (Connections::New, 2));
    let now = version(server, app);
    assert!(allowed.contains(&now.as_str()), "version {now} serves, not one of {allowed:?}");
    wait_until_whole(server);
    load.stop().assert_flawless();
    assert_eq!(version(server, app), now, "another version serves after a while");
    now
}

#[test]
fn a_server_killed_at_any_moment_of_a_deploy_serves_one_release_whole() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("crash");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    // The shortest stages, those around the switch, are what the staggered kills are to hit.
    let began = Instant::now();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    let whole = began.elapsed();

    let mut serving = "2".to_owned();
    for kill in 0..KILLS {
        let next = format!("{}", kill + 3);
        torture::commit_version(&repo, &next);
        let push = repo.start_push(&server, &alice, &app);
        thread::sleep(whole * (kill + 1) / KILLS);
        serving = kill_and_look(&mut server, &app, &[&serving, &next]);
        drop(push);
    }

    torture::commit_version(&repo, "last");
    repo.push(&server, &alice, &app).success();
    assert_eq!(version(&server, &app), "last");
    wait_until_whole(&server);
}

#[test]
fn a_server_killed_in_a_long_stage_leaves_nothing_of_it() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("crash");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();

    killed_while_it_receives(&mut server, &alice, (&app, &repo));
    killed_in_the_build(&mut server, &alice, (&app, &repo));
    killed_while_instances_boot(&mut server, &alice, (&app, &repo));
    killed_while_old_instances_drain(&mut server, &alice, (&app, &repo));

    let expected = format!("{app}.web.1");
    assert_eq!(containers(&app), [expected]);
}

#[test]
fn an_app_whose_repository_was_lost_half_way_can_be_pushed_to() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("crash");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let repository = server.root().join(format!("repos/{app}.git"));

    // Killed in the middle of `apps:rename`: the repository has its new name, the record does not.
    server.kill();
    fs::rename(&repository, server.root().join("repos/renamed.git")).unwrap();
    server.start_again();
    let listed = repo.git_as(&alice, &["ls-remote", &server.git_url(&app)]).success().stdout;
    assert!(listed.contains("refs/heads/main"), "{listed}");

    // Killed in the middle of `apps:create` or `apps:destroy`: there is a record and no repository.
    fs::remove_dir_all(&repository).unwrap();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    assert_eq!(version(&server, &app), "2");
}

#[test]
fn a_network_that_was_made_twice_by_a_killed_server_is_one_again() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("crash");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    server.kill();
    let owner = server.owner();
    let filter = engine::label_filter("slipway.owner", &owner);
    let networks = || engine::get(&format!("/networks?{filter}")).as_array().unwrap().len();
    for name in [format!("slipway-{owner}"), format!("slipway-{owner}-probe")] {
        // Newer engines refuse the double by themselves.
        let body = format!(r#"{{"Name":"{name}","Labels":{{"slipway.owner":"{owner}"}}}}"#);
        engine::request_with("POST", "/networks/create", ("application/json", body.as_bytes()));
    }
    assert!(networks() > 1);

    server.start_again();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    assert_eq!(version(&server, &app), "2");
    assert_eq!(networks(), 1);
}

/// A pack of 60 MB that does not compress; git keeps what has come in a directory of its own until it has all.
fn killed_while_it_receives(server: &mut Server, alice: &Person, (app, repo): (&str, &Repo)) {
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(60_000_000).collect();
    repo.write("noise", noise);
    repo.commit("Noise");
    let objects = server.root().join("repos").join(format!("{app}.git/objects"));
    let incoming = || {
        let entries = fs::read_dir(&objects).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().contains("incoming")).count()
    };
    let push = repo.start_push(server, alice, app);
    wait_until("the pack is coming", Duration::from_secs(30), || incoming() > 0);
    assert_eq!(kill_and_look(server, app, &["1"]), "1");
    drop(push);
    wait_until("what was received of the pack is gone", Duration::from_secs(30), || incoming() == 0);
    repo.git(&["reset", "-q", "--hard", "HEAD^"]).success();
}

fn killed_in_the_build(server: &mut Server, alice: &Person, (app, repo): (&str, &Repo)) {
    let good = fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", format!("{good}RUN echo the long step; sleep 60\n"));
    repo.commit("A long step");
    let mut push = repo.start_push(server, alice, app);
    push.wait_for_line("the long step");
    assert_eq!(kill_and_look(server, app, &["1"]), "1");
    assert_eq!(last_build(server, app), "failed");
    let listed = server.ssh(alice, &format!("builds:list {app}")).success().stdout;
    assert!(listed.lines().nth(1).is_some_and(|newest| newest.contains("failed")), "{listed}");
    assert_ne!(push.finish(), 0, "the interrupted push was taken");
    repo.write("Dockerfile", good);
}

fn killed_while_instances_boot(server: &mut Server, alice: &Person, (app, repo): (&str, &Repo)) {
    server.ssh(alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=20000")).success();
    torture::commit_version(repo, "2");
    let push = repo.start_push(server, alice, app);
    wait_for_container(app, ".upcoming-");
    assert_eq!(kill_and_look(server, app, &["1"]), "1");
    assert_eq!(last_build(server, app), "failed");
    assert_ne!(push.finish(), 0, "the interrupted push was taken");
    server.ssh(alice, &format!("config:unset --no-restart {app} TORTURE_BOOT_MS")).success();
    // The lease died with the server, and the same commit can be pushed again.
    repo.push(server, alice, app).success();
    assert_eq!(version(server, app), "2");
}

fn killed_while_old_instances_drain(server: &mut Server, alice: &Person, (app, repo): (&str, &Repo)) {
    let (address, host) = (server.http_address(), server.host(app));
    let slow = thread::spawn(move || crate::harness::http::get(address, &host, "/sleep?ms=20000"));
    torture::commit_version(repo, "3");
    repo.push(server, alice, app).success();
    wait_for_container(app, ".retired-");
    assert_eq!(kill_and_look(server, app, &["3"]), "3");
    assert_eq!(last_build(server, app), "succeeded");
    assert!(slow.join().unwrap().is_err(), "the server died, but not its connections");
}
