//! `upgrade`: another server takes the running one's place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::engine;
use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Running;
use crate::harness::server::{Server, is_alive};
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::websocket::{TEXT, WebSocket};

const BOUND: Duration = Duration::from_secs(30);

/// A server on which the torture app runs.
fn deployed(settings: &str) -> (Server, Person, String) {
    let server = Server::start_with(settings);
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("upgraded");
    torture::repo().push(&server, &alice, &app).success();
    (server, alice, app)
}

fn open(server: &Server, app: &str) -> WebSocket {
    WebSocket::open(server.http_address(), &server.host(app), "/ws").unwrap()
}

#[track_caller]
fn assert_echoes(socket: &mut WebSocket) {
    socket.send(TEXT, b"still there?").unwrap();
    assert_eq!(socket.receive().unwrap().payload, b"still there?");
}

/// The containers of an app's instances.
fn containers(app: &str) -> Vec<String> {
    engine::container_names("com.dokku.app-name", app)
}

/// A program that is not the server's.
fn script(server: &Server, text: &str) -> String {
    let path: PathBuf = server.root().join("other-program");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_upgrade_cuts_no_connection_and_no_session() {
    let (mut server, alice, app) = deployed("[deploy]\ndrain-seconds = 300\n");
    let first = server.process_id();
    let load = Load::new()
        .get(&server, &app, "/", (Connections::KeepAlive, 2))
        .get(&server, &app, "/", (Connections::New, 2))
        .get(&server, &app, "/sleep?ms=300", (Connections::KeepAlive, 2))
        .add(&server, &app, ("POST", "/upload", &[7; 20_000]), (Connections::New, 1));
    let mut socket = open(&server, &app);
    assert_echoes(&mut socket);
    let mut session = server.start_ssh(&alice, &format!("run {app} sh -c 'cat; echo ended'"));
    session.write(b"before\n");
    session.wait_for_line("before");
    let mut follower = server.start_ssh(&alice, &format!("logs {app} --tail"));
    server.get(&app, "/print?text=first-line");
    follower.wait_for_line("web");

    let output = server.upgrade().success();
    assert!(output.stdout.contains(" serves (process "), "{output}");
    assert_ne!(server.process_id(), first);
    assert!(is_alive(first), "the first server has connections");
    assert_echoes(&mut socket);
    session.write(b"after\n");
    session.wait_for_line("after");
    // What is said now is written by the new server, and followed at the old one.
    server.command(&["config:set", &app, "--no-restart", "A=b"]).success();
    assert_eq!(server.ssh(&alice, &format!("config:get {app} A")).success().stdout, "b\n");

    // An instance that is to end waits for connections of the server before.
    let before = containers(&app);
    server.command(&["ps:restart", &app]).success();
    follower.wait_for_line("slipway[");
    assert_echoes(&mut socket);
    drop(socket);
    wait_until("the old instance ends with its last connection", BOUND, || {
        containers(&app).iter().all(|name| !before.contains(name) || name.contains(".run."))
            || containers(&app).len() <= 2
    });
    session.close_stdin();
    session.wait_for_line("ended");
    assert_eq!(session.finish(), 0);
    follower.interrupt();
    load.stop().assert_flawless();
    assert!(server.wait_for_first(BOUND).success());
    wait_until("nothing is left of the session", BOUND, || {
        containers(&app).iter().all(|name| !name.contains(".run."))
    });
}

#[test]
fn a_server_that_does_not_come_to_serve_changes_nothing() {
    let (mut server, alice, app) = deployed("[upgrade]\nwait-seconds = 2\n");
    let first = server.process_id();
    let mut socket = open(&server, &app);
    let load = Load::new().get(&server, &app, "/", (Connections::KeepAlive, 1)).get(
        &server,
        &app,
        "/",
        (Connections::New, 1),
    );
    let slipway = env!("CARGO_BIN_EXE_slipway");
    let fails = |text: &str, reason: &str| {
        let program = script(&server, text);
        let output = server.command(&["upgrade", "--binary", &program]).exits_with(1);
        assert!(output.stderr.contains("No upgrade: ") && output.stderr.contains(reason), "{output}");
        assert_eq!(server.command(&["--quiet", "apps:list"]).success().stdout.trim(), app);
    };
    fails("exit 0", "it has ended");
    fails("sleep 1000", "it says nothing for");
    // It looks well, and dies as soon as it writes to the database.
    fails(&format!("ulimit -f 0; exec {slipway} \"$@\" 2>/dev/null"), "the other server is gone");
    // Its settings are wrong.
    fails(&format!("SLIPWAY_HTTP_LISTEN=nowhere exec {slipway} \"$@\""), "it has ended");
    fails(&format!("SLIPWAY_DOCKER=/nowhere exec {slipway} \"$@\""), "engine");
    // It cannot have the address that it wants.
    let taken = server.ssh_address();
    fails(&format!("SLIPWAY_HTTP_LISTEN={taken} exec {slipway} \"$@\""), &taken.to_string());
    let output = server.command(&["upgrade", "--binary", "/no/such/program"]).exits_with(1);
    assert!(output.stderr.contains("/no/such/program"), "{output}");
    let output = server.command(&["upgrade", "--binary", "slipway"]).exits_with(1);
    assert!(output.stderr.contains("whole path"), "{output}");
    let output = server.ssh(&alice, "upgrade").exits_with(1);
    assert!(output.stderr.contains("Access denied"), "{output}");

    // A command that goes on and on.
    let input = Running::start(&mut server.command_of(&["config:import", &app, "-"]));
    let output = server.command(&["upgrade"]).exits_with(1);
    assert!(output.stderr.contains("1 command is still running"), "{output}");
    input.kill();

    assert_echoes(&mut socket);
    load.stop().assert_flawless();
    assert_eq!(server.process_id(), first);
    assert!(is_alive(first));
    // And when it does, all is well.
    server.upgrade().success();
    assert_echoes(&mut socket);
    assert_ne!(server.process_id(), first);
    server.wait_until_reachable(&app, "/");
}

#[test]
fn servers_follow_each_other_and_end_together() {
    let (mut server, alice, app) = deployed("");
    let mut sockets = Vec::new();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let mut socket = open(&server, &app);
        assert_echoes(&mut socket);
        sockets.push(socket);
        processes.push(server.process_id());
        server.signal(Signal::SIGUSR2);
        wait_until("another server serves", BOUND, || {
            server.look_again();
            !processes.contains(&server.process_id())
        });
    }
    // Which of them has the later ones is a matter of chance, since two accept for a moment.
    assert!(is_alive(processes[0]));
    sockets.iter_mut().for_each(assert_echoes);
    assert_eq!(server.ssh(&alice, "--quiet apps:list").success().stdout.trim(), app);
    assert!(server.start_second().stderr.contains("another server is running"));
    // With the last one all end: nobody would tell them any more what runs.
    drop(sockets);
    server.stop();
    wait_until("all have ended", BOUND, || processes.iter().all(|process| !is_alive(*process)));
    server.start_again();
    server.wait_until_reachable(&app, "/");
}

#[test]
fn sockets_of_systemd_are_used_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(BOUND)).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = Server::prepare("");
    server.set_variables(vec![("NOTIFY_SOCKET", path)]);
    server.start_with_socket("http", &listener);
    assert_eq!(server.http_address(), listener.local_addr().unwrap());
    let heard = |wanted: &str| {
        let mut buffer = [0; 1000];
        loop {
            let length = systemd.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains(wanted) {
                return text;
            }
        }
    };
    heard("FDSTORE=1\nFDNAME=http");
    heard("FDNAME=ssh");
    heard("READY=1");
    let host = server.host("nobody");
    server.connect().get(&host, "/").unwrap();

    server.upgrade().success();
    assert_eq!(heard("MAINPID="), format!("MAINPID={}", server.process_id()));
    server.stop();
    heard("STOPPING=1");
    // The queue is systemd's: who comes while there is no server waits for the next one.
    let mut early = server.connect();
    early.write(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    server.start_with_socket("http", &listener);
    assert_eq!(early.read_response("GET").unwrap().status, 404);
}
