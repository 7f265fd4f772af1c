//! Clients that vanish, say nothing, or are too many; and a server that stops.

use std::time::Duration;

use slipway::settings::limits::SshLimits;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::face_commands::{PATIENCE, next_event};
use crate::ssh_auth::connect;
use crate::ssh_client::{TestServer, finish, seen, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_client_is_gone_and_a_closed_input_is_not() {
    let mut server = TestServer::start().await;
    // Standard input is /dev/null from the start.
    let mut child = server.ssh().args(["slipway", "deaf"]).spawn().unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    assert_eq!(seen(&server.run(&["whoami"]).await).1, "person\n");
    assert!(server.events.try_recv().is_err(), "the end of the input is not the end of the client");
    child.start_kill().unwrap();
    assert_eq!(next_event(&mut server.events).await, "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_channel_ends_its_command_and_not_the_connection() {
    let mut server = TestServer::start().await;
    let session = connect(&server).await;
    let channel = session.channel_open_session().await.unwrap();
    channel.exec(true, "deaf").await.unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    channel.close().await.unwrap();
    assert_eq!(next_event(&mut server.events).await, "gone");
    assert_eq!(crate::ssh_auth::whoami(&session).await, "person\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_the_command() {
    let mut server = TestServer::start().await;
    let session = connect(&server).await;
    let mut channel = session.channel_open_session().await.unwrap();
    channel.exec(true, "deaf-until-int").await.unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    channel.signal(russh::Sig::TERM).await.unwrap();
    let (output, status) = crate::ssh_auth::read_to_end(&mut channel).await;
    assert_eq!((output.as_str(), status), ("TERM\n", Some(130)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_a_command_that_takes_no_signals_and_its_last_words_arrive() {
    let mut server = TestServer::start().await;
    let session = connect(&server).await;
    let mut channel = session.channel_open_session().await.unwrap();
    channel.exec(true, "no-signals").await.unwrap();
    assert_eq!(next_event(&mut server.events).await, "waiting");
    channel.signal(russh::Sig::INT).await.unwrap();
    let (output, status) = crate::ssh_auth::read_to_end(&mut channel).await;
    assert_eq!((output.as_str(), status), ("stopped\n", Some(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_proves_nothing_is_cut_off() {
    let server = TestServer::start_with(|settings| settings.ssh.handshake_seconds = 3).await;
    // By then it would be the limit that holds where nobody sets one.
    let usual = Duration::from_secs(SshLimits::default().handshake_seconds);
    for greeting in [&b""[..], b"SSH-2.0-Half\r\n"] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, greeting).await.unwrap();
        let mut received = Vec::new();
        // An abrupt end is as good as an orderly one.
        timeout(usual, stream.read_to_end(&mut received)).await.unwrap().ok();
        assert!(text(&received).starts_with("SSH-2.0-Slipway_"), "{}", text(&received));
    }
    // A client that is in stays in, beyond the deadline.
    let session = connect(&server).await;
    tokio::time::sleep(Duration::from_millis(3300)).await;
    assert_eq!(crate::ssh_auth::whoami(&session).await, "person\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_and_one_key_have_only_so_many_connections() {
    let server = TestServer::start_with(|settings| {
        settings.ssh.max_per_address = 3;
        settings.ssh.max_per_key = 1;
    })
    .await;
    let first = connect(&server).await;
    assert_eq!(crate::ssh_auth::whoami(&first).await, "person\n");
    let child = server.ssh_at("INFO", &server.key).args(["slipway", "whoami"]).spawn().unwrap();
    let (status, _, error) = seen(&finish(child).await);
    assert_eq!(status, 255);
    assert!(error.contains("too many connections"), "{error}");

    let _second = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let _third = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let mut fourth = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let mut received = String::new();
    timeout(PATIENCE, fourth.read_to_string(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, "Too many connections from this address\r\n");
    drop(first);
}

/// A client that answers nothing: it stops reading after it has started its command.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_client_is_noticed() {
    let mut server = TestServer::start_with(|settings| settings.ssh.keep_alive_seconds = 1).await;
    let child = server.ssh().args(["slipway", "deaf"]).spawn().unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    let pid = nix::unistd::Pid::from_raw(child.id().unwrap() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    assert_eq!(next_event(&mut server.events).await, "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_lets_commands_finish_and_takes_no_new_ones() {
    let mut server = TestServer::start().await;
    let idle = connect(&server).await;
    let busy = connect(&server).await;
    let mut channel = busy.channel_open_session().await.unwrap();
    channel.exec(true, "deaf-until-int").await.unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    server.shutdown.cancel();
    // The idle one is sent away at once.
    timeout(PATIENCE, async {
        while !idle.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(TcpStream::connect(("127.0.0.1", server.port)).await.is_err());
    let mut late = busy.channel_open_session().await.unwrap();
    late.exec(true, "whoami").await.unwrap();
    assert_eq!(crate::ssh_auth::read_to_end(&mut late).await, (String::new(), Some(1)));
    channel.signal(russh::Sig::INT).await.unwrap();
    assert_eq!(crate::ssh_auth::read_to_end(&mut channel).await, ("INT\n".to_owned(), Some(130)));
    timeout(Duration::from_secs(4), server.served).await.expect("an end before its patience").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_does_not_wait_for_ever() {
    let mut server = TestServer::start().await;
    let busy = connect(&server).await;
    let channel = busy.channel_open_session().await.unwrap();
    channel.exec(true, "deaf").await.unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    server.shutdown.cancel();
    assert_eq!(next_event(&mut server.events).await, "gone");
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
}
