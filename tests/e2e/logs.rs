//! `logs`: what the instances of an app print, line by line.

use std::fs;
use std::time::Duration;

use crate::harness::names;
use crate::harness::person::Person;
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
    assert_eq!(logs("-n 1 -q -p web"), "torture: listening on 0.0.0.0:5000\n");
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
    let idle = descriptors();

    let mut follow = server.start_ssh(&alice, &format!("logs {app} -t -n 1 -p talk"));
    follow.wait_for_line("before");
    say("after");
    let line = follow.wait_for_line("after");
    assert!(line.contains(" app[talk.1]: "), "{line}");
    assert!(!follow.has_said("line 1"), "more than one old line was shown");
    assert!(descriptors() > idle, "following needs no descriptor, so that this test tells nothing");

    // It goes on with the successors of what it followed: one that the engine starts, one that a deploy starts.
    server.ssh(&alice, &format!("enter {app} talk touch /again")).success();
    follow.wait_for_line("born again");
    server.ssh(&alice, &format!("ps:restart {app} talk")).success();
    follow.wait_for_line("line 1");
    assert!(follow.times_said("born again") == 1, "a line was shown twice");

    follow.interrupt();
    wait_until("the server follows no more", SOON, || descriptors() <= idle);
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
