//! One-off processes: `run`, `run:detached` and `enter`, with and without a terminal.

use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::{Running, count_processes_with};
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

/// Within what nothing is left of a process whose client went away.
const SOON: Duration = Duration::from_secs(10);
const PAYLOAD: usize = 64 << 20;

/// Prints the size of the terminal. Engines before 23 cannot start a process with one: it comes a moment later.
const SIZE: &str = "while [ \"$(stty size)\" = \"0 0\" ]; do sleep 0.1; done; stty size";

/// A server on which the torture app runs.
fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("one-off");
    let repo = torture::repo();
    // A task to be run by its name.
    repo.write("Procfile", "web: /torture web\nworker: /torture worker\nonce: /torture release\n");
    repo.commit("A task");
    repo.push(&server, &alice, &app).success();
    (server, alice, app)
}

/// The one-off containers of an app.
fn one_offs(app: &str) -> Vec<String> {
    let prefix = format!("{app}.run.");
    let names = engine::container_names("com.dokku.app-name", app);
    names.into_iter().filter(|name| name.starts_with(&prefix)).collect()
}

/// `ssh -tt` in a terminal of 101 by 41 characters.
fn in_terminal(server: &Server, person: &Person, line: &str) -> Running {
    let ssh = person.ssh(server);
    let words = ssh.get_args().map(|word| word.to_str().unwrap()).chain(["-tt", "--", line]);
    let script = format!("stty cols 101 rows 41; exec ssh {}", shlex::try_join(words).unwrap());
    let mut command = Command::new("script");
    command.args(["-qefc", &script, "/dev/null"]).env("SHELL", "/bin/sh").env("TERM", "xterm-256color");
    Running::start(command.env_remove("SSH_AUTH_SOCK"))
}

#[test]
fn a_command_has_its_own_exit_code_streams_and_variables() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh("config:set APP COLOUR=red").success();

    assert_snapshot!(ssh("run APP sh -c \"echo out; echo err >&2; exit 3\"").shown(&server, &app), @r"
    out
    err
    [exit code 3]
    ");
    let output = ssh("run APP sh -c \"echo out; echo err >&2\"").success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    for (command, code) in [("true", 0), ("false", 1), ("sh -c 'exit 255'", 255), ("sh -c 'kill -9 $$'", 137)]
    {
        ssh(&format!("run APP {command}")).exits_with(code);
    }
    let missing = ssh("run APP no-such-program").exits_with(127);
    assert!(missing.stderr.contains("no-such-program"), "{missing}");

    assert_eq!(ssh("run APP printenv COLOUR").success().stdout, "red\n");
    let line = "run -e COLOUR=blue --env 'TEXT=a  b=c$d\"' APP sh -c 'echo \"$COLOUR $TEXT\"'";
    assert_eq!(ssh(line).success().stdout, "blue a  b=c$d\"\n");
    assert_snapshot!(ssh("run -e COLOUR APP env").shown(&server, &app), @r"
     !     Invalid env pair: COLOUR
     !     Write -e KEY=VALUE
    [exit code 1]
    ");
    // Options behind the command are the command's own.
    assert_eq!(
        ssh("run APP echo --no-tty --format 'a  b' '' c").success().stdout,
        "--no-tty --format a  b  c\n"
    );

    assert_snapshot!(ssh("run APP once").shown(&server, &app), @r"
    torture: release task runs
    torture: release task is done
    -----> Found 'once' in Procfile, running that command
    [exit code 0]
    ");
    let no_terminal = ssh("run APP sh -c 'test -t 0 || test -t 1 || echo none; hostname'").success().stdout;
    assert!(no_terminal.starts_with("none\n"), "{no_terminal}");
    let limited = ssh("run --ttl-seconds 1 APP sleep 1000").exits_with(124);
    assert!(limited.stderr.contains("Ended after 1 s (--ttl-seconds)"), "{limited}");
    ssh("run --ttl-seconds 0 APP true").exits_with(1);
    assert_eq!(one_offs(&app), [] as [String; 0]);
}

#[test]
fn words_behind_a_process_type_are_added_to_its_command() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("one-off"), torture::repo());
    repo.write("Procfile", "web: /torture web\nsay: echo $DYNO says\n");
    repo.commit("A process type that says what it is told");
    repo.push(&server, &alice, &app).success();

    let said = server.ssh(&alice, &format!("run {app} say 'two  words' -n --help")).success();
    let expected = "says two  words -n --help\n";
    assert!(said.stdout.starts_with("run.") && said.stdout.ends_with(expected), "{said}");
}

#[test]
fn input_and_output_are_passed_byte_for_byte() {
    let (server, alice, app) = deployed();
    let directory = tempfile::tempdir().unwrap();
    let (sent, received) = (directory.path().join("sent"), directory.path().join("received"));
    let mut random = std::io::Read::take(File::open("/dev/urandom").unwrap(), PAYLOAD as u64);
    std::io::copy(&mut random, &mut File::create(&sent).unwrap()).unwrap();

    let mut ssh = alice.ssh(&server);
    ssh.arg("--").arg(format!("run {app} cat"));
    let status =
        ssh.stdin(File::open(&sent).unwrap()).stdout(File::create(&received).unwrap()).status().unwrap();

    assert_eq!(status.code(), Some(0));
    let (sent, received) = (fs::read(sent).unwrap(), fs::read(received).unwrap());
    assert_eq!((sent.len(), received.len()), (PAYLOAD, PAYLOAD));
    assert!(sent == received, "what came back is not what was sent");
    // A command that reads nothing of a long input ends all the same.
    let unread = server.ssh_with_input(&alice, &format!("run {app} echo done"), &sent[..8 << 20]);
    assert_eq!(unread.success().stdout, "done\n");
}

#[test]
fn a_terminal_has_the_windows_size_and_ctrl_c_ends_what_runs_in_it() {
    let (server, alice, app) = deployed();

    let mut size = in_terminal(&server, &alice, &format!("run {app} sh -c 'echo $TERM; {SIZE}; exit 5'"));
    size.wait_for_line("xterm-256color");
    size.wait_for_line("41 101");
    assert_eq!(size.finish(), 5);
    let mut size = in_terminal(&server, &alice, &format!("enter {app} web sh -c '{SIZE}; exit 6'"));
    size.wait_for_line("41 101");
    assert_eq!(size.finish(), 6);
    let mut refused =
        in_terminal(&server, &alice, &format!("run --no-tty {app} sh -c 'test -t 1 || echo none'"));
    refused.wait_for_line("none");
    assert_eq!(refused.finish(), 0);

    let mut sleeping =
        in_terminal(&server, &alice, &format!("run {app} sh -c 'echo ready; exec sleep 1000'"));
    sleeping.wait_for_line("ready");
    sleeping.write(b"\x03");
    let (code, said) = sleeping.finish_with_lines();
    assert_eq!(code, 130, "{said}");

    let mut shell = in_terminal(&server, &alice, &format!("run {app}"));
    shell.write(b"echo $((6 * 7)) in $0\n");
    shell.wait_for_line("42 in /bin/sh");
    shell.write(b"exit 7\n");
    assert_eq!(shell.finish(), 7);
    // Without a client's terminal, one can still be had.
    let forced = server.ssh(&alice, &format!("run --force-tty {app} sh -c 'test -t 1 && echo terminal'"));
    assert_eq!(forced.success().stdout, "terminal\r\n");
    wait_until("no one-off container is left", SOON, || one_offs(&app).is_empty());
}

#[test]
fn nothing_is_left_of_a_process_whose_client_vanished() {
    let (server, alice, app) = deployed();
    // A sleep of its own length, so that no other test's is counted.
    let length = format!("1000.{}", std::process::id());

    for vanish in [Running::kill as fn(Running), Running::interrupt] {
        let mut run = server.start_ssh(&alice, &format!("run {app} sh -c 'echo ready; exec sleep {length}'"));
        run.wait_for_line("ready");
        assert_eq!(one_offs(&app).len(), 1);
        vanish(run);
        wait_until("the one-off container is gone", SOON, || one_offs(&app).is_empty());

        let mut enter =
            server.start_ssh(&alice, &format!("enter {app} web sh -c 'echo ready; exec sleep {length}'"));
        enter.wait_for_line("ready");
        vanish(enter);
        wait_until("the process in the instance is gone", SOON, || {
            count_processes_with(&format!("sleep\0{length}")) == 0
        });
    }
    assert_eq!(server.get(&app, "/").text(), "torture\n");
}

#[test]
fn nothing_is_left_of_a_terminal_or_a_connection_that_broke() {
    let server = Server::start_with("[ssh]\nkeep-alive-seconds = 1\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("one-off");
    torture::repo().push(&server, &alice, &app).success();
    let line = format!("run {app} sh -c 'echo ready; exec sleep 1000'");

    let mut closed = in_terminal(&server, &alice, &line);
    closed.wait_for_line("ready");
    closed.kill();
    wait_until("the closed terminal's container is gone", SOON, || one_offs(&app).is_empty());

    // A client that answers nothing any more and never closes: as if its network were cut.
    let mut cut = server.start_ssh(&alice, &line);
    cut.wait_for_line("ready");
    cut.suspend();
    wait_until("the cut connection's container is gone", 2 * SOON, || one_offs(&app).is_empty());
    cut.kill();
}

#[test]
fn one_off_processes_through_the_end_of_their_time_and_of_the_server() {
    let mut server = Server::start_with("[run]\nkeep-ended = 2\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("one-off");
    torture::repo().push(&server, &alice, &app).success();
    let detach = |server: &Server, words: &str| {
        let line = format!("run:detached {words}").replace("APP", &app);
        server.ssh(&alice, &line).success().stdout.trim().to_owned()
    };
    let secret = names::never_used("secret");
    let goes_on = detach(&server, &format!("-e SECRET={secret} APP sh -c 'echo on; exec sleep 1000'"));
    let timed =
        detach(&server, "--force-tty --ttl-seconds 2 APP sh -c 'test -t 1 && echo tty; exec sleep 1000'");
    let mut attended = server.start_ssh(&alice, &format!("run {app} sh -c 'echo ready; exec sleep 1000'"));
    attended.wait_for_line("ready");

    server.kill();
    server.start_again();
    let row = |server: &Server, name: &str| {
        let list = server.ssh(&alice, &format!("run:list {app} --format json")).success().json();
        list.as_array().unwrap().iter().find(|row| row["name"] == name).cloned()
    };
    wait_until("the one whose time is over was ended", SOON, || {
        row(&server, &timed).is_some_and(|row| row["timed_out"] == true && row["state"] == "exited")
    });
    assert_eq!(row(&server, &timed).unwrap()["exit_code"], 143);
    assert_eq!(row(&server, &goes_on).unwrap()["state"], "running");
    wait_until("the one whose client is gone was removed", SOON, || one_offs(&app).len() == 2);
    let logs = server.ssh(&alice, &format!("run:logs --container {timed}")).success();
    assert_eq!(logs.stdout, "tty\r\n");
    let both = server.ssh(&alice, &format!("run:logs {app} -n 5")).success().stdout;
    assert!(both.contains(&format!("{goes_on}: on\n")) && both.contains(&format!("{timed}: tty")), "{both}");
    assert!(!server.log().contains(&secret), "a variable's value is in the server's log");

    // Of those that have ended, two are kept.
    let first = detach(&server, "APP true");
    let second = detach(&server, "APP true");
    wait_until("the oldest was removed", SOON, || {
        // Each new one is a reason to look.
        row(&server, &timed).is_none() || {
            detach(&server, "APP true");
            false
        }
    });
    server.ssh(&alice, &format!("run:retire {app}")).success();
    assert!(row(&server, &first).is_none() && row(&server, &second).is_none());
    server.ssh(&alice, &format!("run:stop --container {goes_on}")).success();
    assert!(!one_offs(&app).contains(&goes_on));
    server.ssh(&alice, "run:stop --container nosuch.run.1").exits_with(20);
}

#[test]
fn detached_processes_are_listed_read_and_stopped() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));

    let line = "run:detached -e WORD=hello APP sh -c 'echo out $WORD; echo err >&2; exec sleep 1000'";
    let first = ssh(line).success().stdout.trim().to_owned();
    let second = ssh("run:detached APP sh -c 'echo bye; exit 3'").success().stdout.trim().to_owned();
    assert!(first.starts_with(&format!("{app}.run.")), "{first}");
    wait_until("the second has ended", SOON, || {
        ssh("run:list APP")
            .success()
            .stdout
            .lines()
            .any(|line| line.starts_with(&second) && line.contains("exited (3)"))
    });
    let list = ssh("run:list APP --format json").success().json();
    let mut names: Vec<&str> =
        list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut expected = [first.as_str(), second.as_str()];
    expected.sort_unstable();
    assert_eq!(names, expected);

    wait_until("the output is there", SOON, || {
        let logs = ssh(&format!("run:logs APP {first}")).success();
        (logs.stdout.as_str(), logs.stderr.as_str()) == ("out hello\n", "err\n")
    });
    assert_eq!(ssh(&format!("run:logs APP {second}")).success().stdout, "bye\n");
    let unknown = ssh("run:logs APP nosuch").exits_with(1).stderr;
    assert!(
        unknown.contains("There is no one-off container nosuch") && unknown.contains("run:list"),
        "{unknown}"
    );

    assert_eq!(ssh(&format!("run:stop APP {first}")).success().stdout, format!("-----> Stopping {first}\n"));
    assert_eq!(one_offs(&app), [second]);
    ssh("run:stop APP").success();
    assert_eq!(one_offs(&app), [] as [String; 0]);
    assert_snapshot!(ssh("run:stop APP").shown(&server, &app), @r"
    -----> App blog has no one-off containers
    [exit code 0]
    ");
    assert_eq!(server.get(&app, "/").text(), "torture\n", "an instance was stopped with them");
}

#[test]
fn entering_an_instance() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));

    assert_eq!(
        server.ssh_with_input(&alice, &format!("enter {app}"), b"echo $DYNO; exit 4\n").exits_with(4).stdout,
        "web.1\n"
    );
    ssh("ps:scale APP web=2 worker=1").success();
    assert_snapshot!(ssh("enter APP").shown(&server, &app), @r"
     !     No container type specified.
     !     Available types for app (blog): web worker
    [exit code 1]
    ");
    assert_snapshot!(ssh("enter APP web.3 true").shown(&server, &app), @r"
     !     No containers found for type 'web.3'
     !     Available types for app (blog): web worker
    [exit code 1]
    ");
    for instance in ["web.1", "web.2", "worker.1"] {
        assert_eq!(
            ssh(&format!("enter APP {instance} printenv DYNO")).success().stdout,
            format!("{instance}\n")
        );
    }
    assert_eq!(ssh("enter APP worker printenv DYNO").success().stdout, "worker.1\n");
    let both = ssh("enter APP web sh -c 'echo out; echo err >&2; exit 9'").exits_with(9);
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    let input: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    assert!(
        server.ssh_with_input(&alice, &format!("enter {app} web cat"), &input).success().stdout_bytes
            == input
    );

    ssh("ps:scale APP web=0 worker=0").success();
    assert_snapshot!(ssh("enter APP").shown(&server, &app), @r"
     !     blog has no instances
     !     Start some: ps:start blog, or ps:scale blog web=1
    [exit code 1]
    ");
}
