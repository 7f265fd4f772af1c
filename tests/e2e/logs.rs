//! `logs`: what the instances of an app print, line by line.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::run;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const SOON: Duration = Duration::from_secs(15);

/// Prints to both streams, a very long line, and a last one without its end; when told to, ends and is born again.
const TALK: &str = "\
if [ -e /again ]; then echo born again; exec sleep 1000; fi
for number in 1 2 3 4 5; do echo line $number; done
echo aside >&2
head -c 40000 /dev/zero | tr '\\0' x
echo ' end of the long line'
printf 'dying words'
while [ ! -e /again ]; do sleep 0.1; done
exit 3
";

/// A server with an app that has a silent `web` and a `talk` that prints.
fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("logs"), torture::repo());
    let dockerfile = fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", format!("{dockerfile}COPY talk /talk\n"));
    repo.write("talk", TALK);
    repo.write("Procfile", "web: /torture web\ntalk: sh /talk\n");
    repo.commit("An app that talks");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("ps:scale {app} talk=1")).success();
    repo.push(&server, &alice, &app).success();
    (server, alice, app)
}

#[test]
fn lines_are_whole_timed_named_and_counted() {
    let (server, alice, app) = deployed();
    let logs = |words: &str| server.ssh(&alice, &format!("logs {app} {words}")).success().stdout;
    wait_until("it has said all", SOON, || logs("").contains("end of the long line"));

    let all = logs("-p talk");
    for line in all.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.starts_with("20") && time.len() == 30, "{line}");
        assert!(rest.starts_with("app[talk.1]: ") || rest == "slipway[talk.1]: started (v1)", "{line}");
    }
    let quiet = logs("-q -p talk.1");
    let mut lines: Vec<&str> = quiet.lines().collect();
    // The two streams are two pipes: which of them is read first is chance.
    let aside = lines.iter().position(|line| *line == "aside").unwrap();
    lines.remove(aside);
    assert_eq!(lines[..5], ["line 1", "line 2", "line 3", "line 4", "line 5"]);
    // The engine cuts this line in three.
    assert!(lines[5] == format!("{} end of the long line", "x".repeat(40_000)), "{quiet}");
    assert_eq!(logs("-n 1 -q -p web --grep torture:"), "torture: listening on 0.0.0.0:5000\n");
    assert_eq!(logs("-n 2 -q").lines().count(), 2);
    assert!(logs("").contains(" app[web.1]: torture: listening on 0.0.0.0:5000\n"));
    assert!(logs("").contains(" slipway[deploy]: v1 deployed by alice: "));
    assert_eq!(logs("-n 0"), "");

    let unknown = server.ssh(&alice, &format!("logs {app} -p nosuch")).exits_with(1);
    assert_eq!(
        unknown.stderr,
        format!(" !     {app} has no instance nosuch\n !     See them: ps:report {app}\n")
    );

    // What it said last before it died is a line, and not the beginning of its successor's first one.
    server.ssh(&alice, &format!("enter {app} talk touch /again")).success();
    wait_until("it is born again", SOON, || logs("-q -p talk").contains("born again"));
    let after = logs("-q -p talk");
    assert!(after.ends_with("\ndying words\nborn again\n"), "{after}");
    wait_until("its death is in the log", SOON, || {
        logs("-p talk").contains(" slipway[talk.1]: exited with status 3\n")
    });
}

#[test]
fn following_shows_new_lines_and_ends_with_the_client() {
    let (server, alice, app) = deployed();
    let say = |word: &str| {
        server.ssh(&alice, &format!("enter {app} talk sh -c 'echo {word} > /proc/1/fd/1'")).success();
    };
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.process_id())).unwrap().count();
    say("before");

    let mut follow = server.start_ssh(&alice, &format!("logs {app} -t -n 1 -p talk"));
    follow.wait_for_line("before");
    say("after");
    let line = follow.wait_for_line("after");
    assert!(line.contains(" app[talk.1]: "), "{line}");
    assert!(!follow.has_said("line 1"), "more than one old line was shown");

    // It goes on with the successors of what it followed: one that the engine starts, one that a deploy starts.
    server.ssh(&alice, &format!("enter {app} talk touch /again")).success();
    follow.wait_for_line("born again");
    server.ssh(&alice, &format!("ps:restart {app} talk")).success();
    follow.wait_for_line("line 1");
    assert!(follow.times_said("born again") == 1, "a line was shown twice");

    // The follower's connection is one of the descriptors, and the only one that does not end by itself.
    let least = || (0..20).map(|_| descriptors()).min().unwrap();
    let following = least();
    follow.interrupt();
    wait_until("the server follows no more", SOON, || least() < following);
}

#[test]
fn an_app_without_instances_says_so() {
    let (server, alice, app) = deployed();
    server.ssh(&alice, &format!("ps:stop {app}")).success();

    let logs = server.ssh(&alice, &format!("logs {app}")).success();
    assert!(logs.stdout.contains(" app[talk.1]: line 1\n"), "what it printed before is gone");
    assert!(logs.stderr.contains("has no instances") && logs.stderr.contains("ps:start"), "{logs}");
    server.ssh(&alice, "logs no-such-app").exits_with(20);
}

/// The numbers of a worker's lines, as `TORTURE_LINES_PER_SECOND` has it print them.
fn chatter(text: &str) -> Vec<u32> {
    let numbers = text.lines().filter_map(|line| line.strip_prefix("chatter ")?.split(' ').next());
    numbers.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn no_line_is_lost_or_doubled_by_kills_and_removals() {
    const LINES: u32 = 12_000;
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("logs");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    let chatty = format!("TORTURE_LINES_PER_SECOND=3000 TORTURE_LINES={LINES}");
    server.ssh(&alice, &format!("config:set --no-restart {app} {chatty}")).success();
    server.ssh(&alice, &format!("ps:scale {app} worker=1")).success();
    torture::repo().push(&server, &alice, &app).success();
    let said = |server: &Server| {
        let logs = server.ssh(&alice, &format!("logs {app} -q -p worker -n 1000000")).success();
        chatter(&logs.stdout)
    };
    let mut seen = 0;
    while seen < LINES as usize {
        server.kill();
        server.start_again();
        wait_until("the log grows again", SOON, || said(&server).len() > seen);
        seen = said(&server).len();
    }
    let found = said(&server);
    assert!(found.iter().copied().eq(1..=LINES), "{} lines, first {:?}", found.len(), &found[..10]);

    // What an instance said right before it was removed by hand is there.
    server.wait_until_reachable(&app, "/");
    assert_eq!(server.get(&app, "/print?word=dying&n=2000").status, 200);
    let removed = engine::request("DELETE", &format!("/containers/{app}.web.1?force=1"));
    assert_eq!(removed.status, 204, "{}", removed.text());
    let logs = |words: &str| server.ssh(&alice, &format!("logs {app} {words}")).success().stdout;
    wait_until("its last line is there", SOON, || {
        logs("-p web -n 1000 --grep dying").contains("dying 2000\n")
    });
    assert_eq!(
        logs("-q -p web -n 10000 --grep dying").lines().filter(|line| line.starts_with("dying")).count(),
        2000
    );

    // So is all of it under the app's new name, and nothing when the app is gone.
    let new = names::unique("renamed");
    server.ssh(&alice, &format!("apps:rename {app} {new}")).success();
    let logs = server.ssh(&alice, &format!("logs {new} -q -n 1000000")).success().stdout;
    assert!(chatter(&logs).len() >= LINES as usize && logs.contains("dying 2000\n"));
    let kept = || fs::read_dir(server.root().join("logs/apps")).unwrap().count();
    assert_eq!(kept(), 1);
    server.ssh(&alice, &format!("apps:destroy --force {new}")).success();
    assert_eq!(kept(), 0);
}

/// Hides the engine's files from this test's thread, and from the server that it starts.
fn hide_engine_files() {
    unshare(CloneFlags::CLONE_NEWNS).expect("a test that hides files runs as root");
    run(Command::new("mount").args(["--make-rprivate", "/"])).success();
    let info = engine::get("/info");
    let directory = Path::new(info["DockerRootDir"].as_str().unwrap()).join("containers");
    run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&directory)).success();
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn an_engine_whose_files_cannot_be_seen_is_asked() {
    hide_engine_files();
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("logs");
    torture::repo().push(&server, &alice, &app).success();
    let said = |server: &Server, word: &str| {
        let logs = server.ssh(&alice, &format!("logs {app} -q -p web -n 10000 --grep {word}")).success();
        logs.stdout.lines().filter(|line| line.starts_with(word)).count()
    };
    for word in ["before", "after"] {
        assert_eq!(server.get(&app, &format!("/print?word={word}&n=300")).status, 200);
        wait_until("all of it is there", SOON, || said(&server, word) == 300);
        server.restart();
        server.wait_until_reachable(&app, "/");
    }
    server.ssh(&alice, &format!("ps:restart {app}")).success();
    wait_until("its successor's lines are there", SOON, || said(&server, "torture:") > 1);
    assert_eq!((said(&server, "before"), said(&server, "after")), (300, 300));
}

#[test]
fn what_was_said_is_found_again() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("logs"), torture::repo());
    repo.push(&server, &alice, &app).success();
    let logs = |words: &str| server.ssh(&alice, &format!("logs {app} {words}")).success().stdout;
    server.get(&app, "/print?word=needle&n=3");
    assert_eq!(logs("-q --grep 'needle 2'"), "needle 2\n");
    assert_eq!(logs("--since 2000-01-01 --until 2001-01-01"), "");
    assert!(logs("--since 1h").lines().count() > 4);
    assert!(logs("--source slipway -n 1000").lines().all(|line| line.contains(" slipway[")), "{}", logs(""));
    let json = logs("--json --grep 'needle 3'");
    let object: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&object["process"], &object["stream"]), (&"web.1".into(), &"stdout".into()));
    assert_eq!((&object["source"], &object["text"]), (&"app".into(), &"needle 3".into()));
    server.ssh(&alice, &format!("logs {app} --since tomorrow")).exits_with(1);

    // A deploy that fails leaves what its instances said in the log, and where it is asked for.
    let none = server.ssh(&alice, &format!("logs:failed {app}")).success();
    assert!(none.stdout.contains("No deploy"), "{none}");
    server.ssh(&alice, &format!("config:set {app} TORTURE_EXIT=7")).exits_with(1);
    let failed = server.ssh(&alice, &format!("logs:failed {app}")).success();
    for text in ["torture: exiting with code 7", "Could not start due to", "by alice"] {
        assert!(failed.stdout.contains(text), "{text} is missing: {failed}");
    }
    assert!(server.ssh(&alice, "logs:failed --all").success().stdout.contains("exiting with code 7"));
    assert!(logs("-q -p web -n 1000").contains("torture: exiting with code 7, as TORTURE_EXIT says\n"));
    assert!(logs("-n 1000").contains(" slipway[web.1]: exited with status 7\n"), "{}", logs("-n 1000"));
    assert!(logs("-n 1000 --source slipway").contains(" slipway[deploy]:  !     Could not start due to"));

    // The ring is as large as it is set to be.
    server.ssh(&alice, &format!("logs:set {app} max-size 64k")).success();
    server.get(&app, "/print?word=flood&n=20000");
    wait_until("the flood is there", SOON, || logs("-q -n 3").contains("flood 20000\n"));
    let report = server.ssh(&alice, &format!("logs:report {app} --format json")).success().json();
    let size: u64 = report["size"].as_str().unwrap().parse().unwrap();
    assert!(size > 32 << 10 && size <= 64 << 10, "{report}");
    assert_eq!((&report["computed-max-size"], &report["computed-max-age"]), (&"64k".into(), &"14d".into()));
    assert!(!logs("-n 100000").contains("needle"));
    for wrong in ["max-size 1k", "max-size lots", "max-age 0d", "max-lines 3"] {
        server.ssh(&alice, &format!("logs:set {app} {wrong}")).exits_with(1);
    }
}
