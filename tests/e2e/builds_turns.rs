//! Builds of one app take turns; they can be listed, watched and cancelled.

use std::time::Duration;

use serde_json::Value;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::{Running, count_processes_with, run_with_input};
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const SOON: Duration = Duration::from_secs(10);

/// Commits a step that goes on for minutes, and returns what its process has in its command line.
fn commit_long_step(repo: &Repo) -> String {
    let marker = names::unique("marker");
    let dockerfile = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    let step = format!("RUN echo begun {marker}; sleep 300; : {marker}\n");
    repo.write("Dockerfile", dockerfile + &step);
    repo.commit("A step that takes long");
    marker
}

fn builds(server: &Server, person: &Person, app: &str) -> Vec<Value> {
    let listed = server.ssh(person, &format!("builds:list {app} --format json")).success().stdout;
    serde_json::from_str(&listed).unwrap()
}

fn statuses(server: &Server, person: &Person, app: &str) -> Vec<String> {
    builds(server, person, app).iter().map(|build| build["status"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the engine has nothing of this server's but the app's one instance.
fn wait_until_only(server: &Server, app: &str) {
    wait_until("only the instance that serves is left", SOON, || {
        engine::container_names("slipway.owner", &server.owner()) == [format!("{app}.web.1")]
    });
}

#[test]
fn a_build_is_watched_and_cancelled_and_its_step_is_gone_from_the_host() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    let marker = commit_long_step(&repo);

    let mut push = repo.start_push(&server, &alice, &app);
    push.wait_for_line(&format!("   begun {marker}"));
    assert!(count_processes_with(&marker) > 0, "the step cannot be seen on this host");
    let newest = builds(&server, &alice, &app).remove(0);
    assert_eq!((&newest["status"], &newest["kind"]), (&Value::from("running"), &Value::from("build")));
    let id = newest["id"].as_i64().unwrap();
    let info = server.ssh(&alice, &format!("builds:info {app} {id}")).success();
    assert!(info.stdout.contains("running") && info.stdout.contains("alice"), "{info}");
    let mut watch = server.start_ssh(&alice, &format!("builds:output {app}"));
    watch.wait_for_line(&format!("   begun {marker}"));
    server.ssh(&alice, &format!("builds:cancel {app} {}", id + 1)).exits_with(1);

    server.ssh(&alice, &format!("builds:cancel {app}")).success();

    let (code, said) = push.finish_with_lines();
    assert!(code != 0 && said.contains("[remote rejected]") && said.contains("was cancelled"), "{said}");
    assert_eq!(watch.finish(), 0);
    wait_until("the step is gone", SOON, || count_processes_with(&marker) == 0);
    assert_eq!(server.get(&app, "/instance").text(), before);
    assert_eq!(statuses(&server, &alice, &app), ["canceled", "succeeded"]);
    let output = server.ssh(&alice, &format!("builds:output {app} {id}")).success();
    assert!(output.stdout.contains(&marker) && output.stdout.contains("cancelled"), "{output}");
    let nothing = server.ssh(&alice, &format!("builds:cancel {app}")).exits_with(1);
    assert!(nothing.stderr.contains("not currently deploying"), "{nothing}");
    for line in
        ["builds:info APP 999999", "builds:info APP x", "builds:output APP 999999", "builds:output APP x"]
    {
        let asked = server.ssh(&alice, &line.replace("APP", &app));
        assert!(asked.code != 0 && asked.stderr.contains(" !     "), "{asked}");
    }
    wait_until_only(&server, &app);
    repo.git(&["reset", "-q", "--hard", "HEAD^"]).success();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
}

#[test]
fn two_pushes_at_once_take_turns_and_both_are_deployed() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=2500")).success();

    torture::commit_version(&repo, "2");
    let mut first = repo.start_push(&server, &alice, &app);
    first.wait_for_line("Deploying web");
    // Somebody else, who has the first one's commit already.
    let third = torture::commit_version(&repo, "3");
    let mut second = repo.start_push(&server, &alice, &app);
    second.wait_for_line("Waiting for");
    assert_eq!(statuses(&server, &alice, &app), ["queued", "running", "succeeded"]);

    let (code, said) = first.finish_with_lines();
    assert_eq!(code, 0, "{said}");
    let (code, said) = second.finish_with_lines();
    assert_eq!(code, 0, "{said}");
    assert!(server.get(&app, "/instance").text().contains("\nversion 3\n"));
    assert!(repo.ls_remote(&server, &alice, &app).starts_with(&third));
    assert_eq!(statuses(&server, &alice, &app), ["succeeded"; 3]);
    wait_until_only(&server, &app);
}

#[test]
fn a_push_that_was_overtaken_deploys_nothing() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    // Both have asked what the branch is at before either sends anything.
    let marker = commit_long_step(&repo);
    let slow = repo.git(&["rev-parse", "HEAD"]).success().stdout.trim().to_owned();
    repo.git(&["reset", "-q", "--hard", "HEAD^"]).success();
    let (mut push, rest) = begin_push(&server, &alice, &app, &repo, &slow);
    let version = torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();

    push.write(&rest);
    let (code, said) = push.finish_with_lines();

    assert!(said.contains("ng refs/heads/main"), "{code} {said}");
    assert!(said.contains("meanwhile") && !said.contains(&marker), "{said}");
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    assert!(repo.ls_remote(&server, &alice, &app).starts_with(&version));
}

/// Pushes a commit as git does, but for the end of the pack, which is returned.
fn begin_push(server: &Server, person: &Person, app: &str, repo: &Repo, commit: &str) -> (Running, Vec<u8>) {
    let old = repo.ls_remote(server, person, app)[..40].to_owned();
    let mut command = repo.command();
    command.args(["pack-objects", "--revs", "--stdout", "-q"]);
    let mut pack = run_with_input(&mut command, format!("{commit}\n").as_bytes()).success().stdout_bytes;
    let rest = pack.split_off(pack.len() - 1);
    let line = format!("{old} {commit} refs/heads/main\0report-status agent=test");
    let head = format!("{:04x}{line}0000", line.len() + 4);
    let mut push = server.start_ssh(person, &format!("git-receive-pack '{app}'"));
    push.write(&[head.as_bytes(), &pack].concat());
    (push, rest)
}

#[test]
fn a_rename_waits_until_git_has_moved_the_branch_of_a_push() {
    let (server, alice) = Server::with_person("alice");
    let (app, renamed) = (names::unique("blog"), names::unique("post"));
    let repo = torture::repo();
    let marker = names::unique("marker");
    let dockerfile = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", dockerfile + &format!("RUN echo begun {marker}; sleep 4\n"));
    repo.commit("A step that takes a while");

    let mut push = repo.start_push(&server, &alice, &app);
    push.wait_for_line(&format!("   begun {marker}"));
    let done = server.ssh(&alice, &format!("apps:rename {app} {renamed}")).success();

    assert_eq!(push.finish(), 0, "the push was refused after its deploy: {done}");
    let head = repo.git(&["rev-parse", "HEAD"]).success().stdout;
    let pushed = repo.ls_remote(&server, &alice, &renamed);
    assert!(format!("{pushed:?}").contains(head.trim()), "{pushed:?}");
    // What the push has deployed goes on under the new name, though nothing ran when the rename was asked for.
    assert_eq!(server.get(&renamed, "/").status, 200);
    wait_until_only(&server, &renamed);
}
