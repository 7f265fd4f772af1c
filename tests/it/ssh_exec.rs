//! What a client sees of one command: output, status, environment, refusals.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ssh_client::{TestServer, finish, finish_with_input, seen};

#[tokio::test(flavor = "multi_thread")]
async fn output_error_and_status_arrive_apart() {
    let server = TestServer::start().await;
    assert_eq!(seen(&server.run(&["both"]).await), (0, "out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(seen(&server.run(&["exit", "20"]).await), (20, String::new(), String::new()));
    assert_eq!(seen(&server.run(&["whoami"]).await), (0, "person\n".to_owned(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_asked_is_an_empty_command() {
    let server = TestServer::start().await;
    assert_eq!(seen(&server.run(&[]).await), (0, "hello person\n".to_owned(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_split_like_a_shell_and_expanded_like_none() {
    let server = TestServer::start().await;
    let output = server.run(&["words", "\"hello world\"", "'a\nb'", "$HOME", "`id`", "*;id"]).await;
    assert_eq!(seen(&output).1, "[\"hello world\", \"a\\nb\", \"$HOME\", \"`id`\", \"*;id\"]\n");
    let (status, _, error) = seen(&server.run(&["words", "'open"]).await);
    assert_eq!(status, 1);
    assert_eq!(error, " !     The quotes in this command do not match: words 'open\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn harmless_variables_pass_and_others_do_not() {
    let server = TestServer::start().await;
    let child = server
        .ssh()
        .args(["-o", "SetEnv=GIT_PROTOCOL=version=2 LC_TIME=C LD_PRELOAD=/evil.so"])
        .args(["slipway", "env"])
        .spawn()
        .unwrap();
    let (status, output, _) = seen(&finish(child).await);
    assert_eq!((status, output.as_str()), (0, "{\"GIT_PROTOCOL\": \"version=2\", \"LC_TIME\": \"C\"}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_panics_costs_only_its_own_client() {
    let server = TestServer::start().await;
    let (status, _, error) = seen(&server.run(&["panic"]).await);
    assert_eq!(status, 70);
    assert!(error.contains("server failed"), "{error}");
    assert_eq!(seen(&server.run(&["whoami"]).await).1, "person\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn subsystems_are_refused_with_a_reason() {
    let server = TestServer::start().await;
    let (status, _, error) =
        seen(&finish(server.ssh().args(["-s", "slipway", "sftp"]).spawn().unwrap()).await);
    assert_eq!(status, 1);
    assert_eq!(error, " !     There is no sftp here. Use git to bring files here.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_is_refused_and_the_command_runs() {
    let server = TestServer::start().await;
    // A direct channel instead of a session: the reason reaches the person.
    let child = server.ssh_at("INFO", &server.key).args(["-W", "127.0.0.1:80", "slipway"]).spawn().unwrap();
    let (status, _, error) = seen(&finish(child).await);
    assert_ne!(status, 0);
    assert!(error.contains("no service 127.0.0.1:80 that this key may connect to"), "{error}");
    // Agent, X11 and remote forwarding are declined, and nothing else changes.
    let child = server.ssh().args(["-A", "-R", "0:127.0.0.1:80", "slipway", "whoami"]).spawn().unwrap();
    assert_eq!(seen(&finish(child).await).1, "person\n");
    let child = server
        .ssh()
        .args(["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:80", "slipway", "whoami"])
        .spawn()
        .unwrap();
    assert_ne!(seen(&finish(child).await).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_passes_bytes_both_ways_until_both_sides_have_ended() {
    let server = TestServer::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("service:{}", listener.local_addr().unwrap().port());
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        // Said only after the client has ended what it says.
        stream.write_all(&heard).await.unwrap();
    });
    let child = server.ssh().args(["-W", &place, "slipway"]).stdin(Stdio::piped()).spawn().unwrap();
    let sent = vec![b'x'; 3 << 20];
    let (status, output, error) = seen(&finish_with_input(child, &sent).await);
    assert_eq!((status, error.as_str()), (0, ""));
    assert_eq!(output.len(), sent.len());
    echo.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_sessions() {
    let server = TestServer::start().await;
    let control = format!("ControlPath={}", server.home.path().join("mux").display());
    let master =
        server.ssh().args(["-o", "ControlMaster=yes", "-o", &control, "slipway", "deaf"]).spawn().unwrap();
    let mut server = server;
    assert_eq!(crate::face_commands::next_event(&mut server.events).await, "deaf");
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let mut command = server.ssh();
            command.args(["-o", "ControlMaster=no", "-o", &control, "slipway", "words", &number.to_string()]);
            finish(command.spawn().unwrap())
        })
        .collect();
    for (number, output) in futures_util::future::join_all(clients).await.iter().enumerate() {
        assert_eq!(seen(output), (0, format!("[\"{number}\"]\n"), String::new()));
    }
    // One after the other: places become free again.
    for _ in 0..15 {
        let mut command = server.ssh();
        command.args(["-o", "ControlMaster=no", "-o", &control, "slipway", "whoami"]);
        assert_eq!(seen(&finish(command.spawn().unwrap()).await).1, "person\n");
    }
    drop(master);
    assert_eq!(crate::face_commands::next_event(&mut server.events).await, "gone");
}
