//! Much data and slow ends: nothing is lost, memory stays bounded, and nobody waits for ever.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::face_commands::{PATIENCE, expected_sum, next_event, pattern};
use crate::ssh_client::{TestServer, finish, finish_with_input, seen, text};

const MEGABYTE: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn input_arrives_whole() {
    let server = TestServer::start().await;
    let input = pattern(20 * MEGABYTE + 1);
    let output = server.run_with_input(&["sum"], &input).await;
    assert_eq!(seen(&output), (0, expected_sum(&input), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_whole_at_a_slow_reader_before_the_status() {
    let server = TestServer::start().await;
    let length = 9 * MEGABYTE + 1;
    let mut child = server.ssh().args(["slipway", "big", &length.to_string()]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // Nobody reads for as long as this takes, so that every buffer on the way is full.
    assert_eq!(server.run(&["exit", "5"]).await.status.code(), Some(5));
    let mut received = Vec::new();
    let mut piece = vec![0; 100_000];
    loop {
        let read = timeout(PATIENCE, stdout.read(&mut piece)).await.unwrap().unwrap();
        if read == 0 {
            break;
        }
        received.extend_from_slice(&piece[..read]);
        tokio::task::yield_now().await;
    }
    assert!(received == pattern(length), "{} bytes of {length}", received.len());
    assert_eq!(finish(child).await.status.code(), Some(3));
}

/// More than all windows and buffers on the way hold together, both ways at once. A server that reads no window
/// changes while input waits, or no input while output waits, never ends this.
#[tokio::test(flavor = "multi_thread")]
async fn input_and_output_do_not_block_each_other() {
    let server = TestServer::start().await;
    let input = pattern(64 * MEGABYTE);
    let output = server.run_with_input(&["cat"], &input).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stdout == input, "{} bytes of {}", output.stdout.len(), input.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_read_holds_its_client_back_and_nobody_else() {
    let mut server = TestServer::start().await;
    let control = format!("ControlPath={}", server.home.path().join("mux").display());
    let mut master = server
        .ssh()
        .args(["-o", "ControlMaster=yes", "-o", &control, "slipway", "deaf"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(next_event(&mut server.events).await, "deaf");
    // Far more than the server takes: the client stops reading its own input.
    let mut stdin = master.stdin.take().unwrap();
    let endless = pattern(MEGABYTE);
    let mut taken = 0;
    while let Ok(written) = timeout(std::time::Duration::from_secs(1), stdin.write(&endless)).await {
        taken += written.unwrap();
        assert!(taken < 64 * MEGABYTE, "the server takes everything");
    }
    // Others on the same connection notice nothing.
    let mut command = server.ssh();
    command.args(["-o", "ControlMaster=no", "-o", &control, "slipway", "big", "3000000"]);
    let output = finish(command.spawn().unwrap()).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 3_000_000));
    // And the server notices when the client leaves, though its input was never read.
    drop(stdin);
    master.start_kill().unwrap();
    assert_eq!(next_event(&mut server.events).await, "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_held_back_loses_nothing() {
    let mut server = TestServer::start().await;
    let session = crate::ssh_auth::connect(&server).await;
    let channel = session.channel_open_session().await.unwrap();
    channel.exec(true, "late-reader").await.unwrap();
    assert_eq!(next_event(&mut server.events).await, "waiting");
    let input = pattern(30 * MEGABYTE);
    let (mut reading, writing) = channel.split();
    let feeding = async {
        let mut data = std::pin::pin!(writing.data(&input[..]));
        let stalled = timeout(std::time::Duration::from_millis(500), &mut data).await;
        assert!(stalled.is_err(), "the server took 30 MB for a command that does not read");
        writing.signal(russh::Sig::USR1).await.unwrap();
        data.await.unwrap();
        writing.eof().await.unwrap();
    };
    let reading = async {
        loop {
            match timeout(PATIENCE, reading.wait()).await.unwrap() {
                Some(russh::ChannelMsg::Data { data }) => return text(&data),
                Some(_) => {}
                None => return String::new(),
            }
        }
    };
    let (output, ()) = tokio::join!(reading, feeding);
    assert_eq!(output, expected_sum(&input));
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_is_left_over_does_not_keep_a_command_from_ending() {
    let server = TestServer::start().await;
    let child = server.ssh().args(["slipway", "exit", "4"]).stdin(Stdio::piped()).spawn().unwrap();
    let output = finish_with_input(child, &pattern(20 * MEGABYTE)).await;
    assert_eq!(output.status.code(), Some(4));
}
