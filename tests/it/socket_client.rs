//! The program itself as a client of a server in this process.

use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use slipway::socket::listener::Listener;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::face_commands::{Events, PATIENCE, TestCommands, expected_sum, next_event, pattern};
use crate::ssh_client::{finish, finish_with_input, seen, text};
use crate::ssh_terminal::TestTerminal;

const MEGABYTE: usize = 1 << 20;

struct SocketServer {
    root: TempDir,
    events: Events,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

impl SocketServer {
    async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (commands, events) = TestCommands::new();
        let listener = Listener::bind(&root.path().join("slipway.sock")).await.unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(listener.run(commands, shutdown.clone(), Duration::from_secs(5)));
        Self { root, events, shutdown, served }
    }

    fn slipway(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command
            .args(words)
            .env_clear()
            .env("SLIPWAY_ROOT", self.root.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> Output {
        finish(self.slipway(words).spawn().unwrap()).await
    }

    async fn run_with_input(&self, words: &[&str], input: &[u8]) -> Output {
        finish_with_input(self.slipway(words).stdin(Stdio::piped()).spawn().unwrap(), input).await
    }
}

fn send_signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().unwrap().cast_signed()), signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn words_output_and_status_pass_as_they_are() {
    let server = SocketServer::start().await;
    assert_eq!(seen(&server.run(&["both"]).await), (0, "out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(seen(&server.run(&["exit", "20"]).await).0, 20);
    assert_eq!(seen(&server.run(&["whoami"]).await).1, "root\n");
    assert_eq!(seen(&server.run(&[]).await).1, "hello root\n");
    let words = ["words", "a b", "", "'\"\\\n$HOME", "--flag", "\u{1f40b}"];
    assert_eq!(seen(&server.run(&words).await).1, format!("{:?}\n", &words[1..]));
    let large = "x".repeat(100_000);
    assert_eq!(server.run(&["words", &large, &large]).await.stdout.len(), 200_009);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_data_passes_both_ways_at_once() {
    let server = SocketServer::start().await;
    let input = pattern(64 * MEGABYTE);
    let output = server.run_with_input(&["cat"], &input).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stdout == input, "{} bytes of {}", output.stdout.len(), input.len());
    let output = server.run_with_input(&["sum"], &input).await;
    assert_eq!(text(&output.stdout), expected_sum(&input));
    let output = server.run_with_input(&["exit", "4"], &input).await;
    assert_eq!(output.status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_is_not_read_is_held_back_and_hides_no_signal() {
    let mut server = SocketServer::start().await;
    let mut child = server.slipway(&["deaf-until-int"]).stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    let mut stdin = child.stdin.take().unwrap();
    let (mut taken, endless) = (0, pattern(MEGABYTE));
    while let Ok(written) = timeout(Duration::from_millis(500), stdin.write(&endless)).await {
        taken += written.unwrap();
        assert!(taken < 4 * MEGABYTE, "the server takes everything");
    }
    send_signal(&child, Signal::SIGINT);
    assert_eq!(seen(&finish(child).await), (130, "INT\n".to_owned(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_is_gone() {
    let mut server = SocketServer::start().await;
    let mut killed = server.slipway(&["deaf"]).spawn().unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    assert!(server.events.try_recv().is_err(), "the end of the input is not the end of the client");
    killed.start_kill().unwrap();
    assert_eq!(next_event(&mut server.events).await, "gone");
    let terminated = server.slipway(&["deaf"]).spawn().unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    send_signal(&terminated, Signal::SIGTERM);
    assert_eq!(next_event(&mut server.events).await, "gone");
    assert_eq!(seen(&finish(terminated).await).0, 143);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_ends_the_client_whatever_the_command_does() {
    let mut server = SocketServer::start().await;
    let client = server.slipway(&["deaf"]).spawn().unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    let ending = async {
        // Two that come together count as one, so they go on until the client is gone.
        while next_event_within(&mut server.events).await.is_none() {
            send_signal(&client, Signal::SIGINT);
        }
    };
    ending.await;
    assert_eq!(seen(&finish(client).await).0, 130);
}

async fn next_event_within(events: &mut Events) -> Option<String> {
    timeout(Duration::from_millis(50), events.recv()).await.ok().flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_client_quietly() {
    let server = SocketServer::start().await;
    let mut client = server.slipway(&["big", "30000000"]).spawn().unwrap();
    let mut stdout = client.stdout.take().unwrap();
    let mut piece = [0; 10];
    stdout.read_exact(&mut piece).await.unwrap();
    drop(stdout);
    assert_eq!(seen(&finish(client).await), (141, String::new(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_client_says_how_to_start_it() {
    let server = SocketServer::start().await;
    server.shutdown.cancel();
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
    let root = server.root;
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    let output = command.arg("apps:list").env("SLIPWAY_ROOT", root.path()).output().await.unwrap();
    let (status, _, error) = seen(&output);
    assert_eq!(status, 1);
    assert!(error.starts_with(" !     The server is not running"), "{error}");
    assert!(error.contains("slipway serve"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_passes_on_its_push_and_its_lines() {
    let server = SocketServer::start().await;
    let hook = server.root.path().join("pre-receive");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_slipway"), &hook).unwrap();
    let child = Command::new(&hook)
        .env_clear()
        .env("SLIPWAY_ROOT", server.root.path())
        .env("SLIPWAY_PUSH_TOKEN", "secret")
        .env("GIT_QUARANTINE_PATH", "/q")
        .env("GIT_PUSH_OPTION_COUNT", "0")
        .env("GIT_DIR", ".")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (status, output, error) = seen(&finish_with_input(child, b"old new refs/heads/main\n").await);
    assert_eq!(status, 17, "{error}");
    let variables =
        r#"{"GIT_PUSH_OPTION_COUNT": "0", "GIT_QUARANTINE_PATH": "/q", "SLIPWAY_PUSH_TOKEN": "secret"}"#;
    assert_eq!(output, format!("{variables}\nold new refs/heads/main\n"));
    assert_eq!(error, "refused\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_raw_only_while_the_command_has_it() {
    let server = SocketServer::start().await;
    let mut command = server.slipway(&["take-over"]);
    command.env("TERM", "xterm-test");
    let mut terminal = TestTerminal::start(&command);
    terminal.expect("yours\r\n").await;
    terminal.press(b"\x03");
    terminal.expect("keys b\"\\x03\"\n").await;
    terminal.press(b"\rq");
    terminal.expect("keys b\"\\rq\"\n").await;
    assert_eq!(terminal.status().await, Some(0));
    assert!(terminal.is_cooked(), "the terminal was left in raw mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_nobody_takes_over_stays_as_it_is() {
    let server = SocketServer::start().await;
    let mut command = server.slipway(&["terminal"]);
    command.env("TERM", "xterm-test");
    let mut terminal = TestTerminal::start(&command);
    terminal.expect("xterm-test 80x24\r\n").await;
    terminal.resize(100, 30);
    terminal.expect("xterm-test 100x30\r\n").await;
    terminal.press(b"\x03");
    terminal.expect("signal INT\r\n").await;
    assert_eq!(terminal.status().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_costs_only_its_own_connection() {
    let server = SocketServer::start().await;
    let path = server.root.path().join("slipway.sock");
    for nonsense in
        [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x01\x02", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x02\x01{"]
    {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        let mut answer = Vec::new();
        // An abrupt end is as good as an orderly one.
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().ok();
        assert!(answer.is_empty(), "{answer:?}");
    }
    assert_eq!(seen(&server.run(&["whoami"]).await).1, "root\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_waits_for_commands_and_not_for_ever() {
    let mut server = SocketServer::start().await;
    let stuck = server.slipway(&["deaf"]).spawn().unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    server.shutdown.cancel();
    assert_eq!(seen(&server.run(&["whoami"]).await).1, "root\n");
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
    let (status, _, error) = seen(&finish(stuck).await);
    assert_eq!(status, 1);
    assert!(error.contains("went away"), "{error}");
    assert!(!server.root.path().join("slipway.sock").exists());
}
