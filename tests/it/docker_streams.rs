//! Bytes through attach and exec.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt;
use nix::sys::signal::Signal;
use slipway::docker::attach::{Attached, ProcessInput};
use slipway::docker::container::OutputLog;
use slipway::docker::exec::ExecSpec;
use slipway::docker::output::{OutputStream, StandardStream};
use slipway::model::config_var::{ConfigValue, ConfigVars};

use crate::docker_support::{TestEngine, eventually, read_all};

const MEBIBYTE: usize = 1024 * 1024;

/// Writes so many mebibytes that do not repeat, and gives their digest.
async fn write_noise(mut input: ProcessInput, mebibytes: usize) -> Vec<u8> {
    let mut digest = Context::new(&SHA256);
    let mut state = 1u64;
    let mut block = vec![0; MEBIBYTE];
    for _ in 0..mebibytes {
        for word in block.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&state.to_be_bytes());
        }
        digest.update(&block);
        input.write(&block).await.unwrap();
    }
    input.finish().await.unwrap();
    digest.finish().as_ref().to_vec()
}

/// Reads standard output to its end, and gives its length and digest.
async fn read_digest(mut output: OutputStream) -> (usize, Vec<u8>) {
    let (mut digest, mut length) = (Context::new(&SHA256), 0);
    while let Some(chunk) = output.try_next().await.unwrap() {
        assert_eq!(chunk.stream, StandardStream::Stdout);
        assert!(chunk.bytes.len() <= 64 * 1024);
        digest.update(&chunk.bytes);
        length += chunk.bytes.len();
    }
    (length, digest.finish().as_ref().to_vec())
}

async fn assert_echo(attached: Attached, mebibytes: usize) {
    let Attached { input, output } = attached;
    let (sent, (length, received)) = tokio::join!(write_noise(input, mebibytes), read_digest(output));
    assert_eq!(length, mebibytes * MEBIBYTE);
    assert_eq!(sent, received);
}

#[tokio::test]
async fn attach_passes_64_mebibytes_both_ways_and_the_end_of_input() {
    let test = TestEngine::with_network().await;
    let mut spec = test.script("attach", "exec cat");
    (spec.stdin, spec.log) = (true, OutputLog::Off);
    let id = test.engine.create(&spec).await.unwrap();
    let attached = test.engine.attach(&id).await.unwrap();
    test.engine.start(&id).await.unwrap();
    assert_echo(attached, 64).await;
    assert_eq!(test.engine.wait(&id).await.unwrap(), 0);
}

#[tokio::test]
async fn exec_passes_64_mebibytes_both_ways_and_the_end_of_input() {
    let test = TestEngine::with_network().await;
    let id = test.started(&test.script("exec", "exec sleep 1000")).await;
    let spec = ExecSpec {
        command: vec!["cat".to_owned()],
        environment: ConfigVars::new(),
        terminal: false,
        stdin: true,
    };
    let (exec, attached) = test.engine.exec(&id, &spec).await.unwrap();
    assert_echo(attached, 64).await;
    assert_eq!(test.engine.exec_exit_code(&exec).await.unwrap(), 0);
}

#[tokio::test]
async fn input_past_the_engine_arrives_as_it_is_with_its_end_and_only_in_that_container() {
    let test = TestEngine::with_network().await;
    let id = test.started(&test.script("short", "exec sleep 1000")).await;
    let other = test.started(&test.script("other", "exec sleep 1000")).await;
    let spec = ExecSpec {
        command: vec!["cat".to_owned()],
        environment: ConfigVars::new(),
        terminal: false,
        stdin: true,
    };
    for (container, shorter) in [(&id, true), (&other, false)] {
        let (exec, mut attached) = test.engine.exec(&id, &spec).await.unwrap();
        let shortened = test.engine.shorten_exec_input((container, &exec), &mut attached.input).await;
        assert_eq!(shortened.unwrap(), shorter);
        assert_echo(attached, 64).await;
        assert_eq!(test.engine.exec_exit_code(&exec).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn nothing_is_lost_between_attach_and_an_early_exit() {
    let test = TestEngine::with_network().await;
    for round in 0..5 {
        let spec = test.script(&format!("early{round}"), "echo out; echo err >&2; exit 4");
        let id = test.engine.create(&spec).await.unwrap();
        let attached = test.engine.attach(&id).await.unwrap();
        test.engine.start(&id).await.unwrap();
        assert_eq!(read_all(attached.output).await, ("out\n".to_owned(), "err\n".to_owned()));
        assert_eq!(test.engine.wait(&id).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn a_terminal_has_a_size_and_passes_control_p_at_once() {
    let test = TestEngine::with_network().await;
    let mut spec = test.script("terminal", "stty raw -echo; echo ready; head -c 1 | od -An -tx1; stty size");
    (spec.terminal, spec.stdin) = (true, true);
    let id = test.engine.create(&spec).await.unwrap();
    let Attached { mut input, mut output } = test.engine.attach(&id).await.unwrap();
    test.engine.start(&id).await.unwrap();
    test.engine.resize(&id, 132, 43).await.unwrap();
    let first = output.try_next().await.unwrap().unwrap();
    assert!(first.bytes.starts_with(b"ready"));
    input.write(&[0x10]).await.unwrap();
    let (text, stderr) = read_all(output).await;
    assert!(text.contains("10") && text.contains("43 132"), "{text:?}");
    assert!(stderr.is_empty());
}

#[tokio::test]
async fn the_end_of_a_terminals_input_ends_the_shell_and_not_its_output() {
    let test = TestEngine::with_network().await;
    let mut spec = test.script("eof", "cat; echo last");
    (spec.terminal, spec.stdin) = (true, true);
    let id = test.engine.create(&spec).await.unwrap();
    let Attached { mut input, output } = test.engine.attach(&id).await.unwrap();
    test.engine.start(&id).await.unwrap();
    input.write(b"typed\n").await.unwrap();
    input.finish().await.unwrap();
    let (text, _) = read_all(output).await;
    assert!(text.ends_with("last\r\n"), "{text:?}");
}

#[tokio::test]
async fn exec_tells_exit_codes_streams_and_variables() {
    let test = TestEngine::with_network().await;
    let id = test.started(&test.script("codes", "exec sleep 1000")).await;
    let mut spec = ExecSpec {
        command: ["sh", "-c", "echo \"$GREETING\"; echo err >&2; exit 11"].map(str::to_owned).to_vec(),
        environment: ConfigVars::new(),
        terminal: false,
        stdin: false,
    };
    let value = ConfigValue::from_bytes("ä \"b\"\n$c".into()).unwrap();
    spec.environment.insert("GREETING".parse().unwrap(), value);
    let (exec, attached) = test.engine.exec(&id, &spec).await.unwrap();
    assert_eq!(read_all(attached.output).await, ("ä \"b\"\n$c\n".to_owned(), "err\n".to_owned()));
    assert_eq!(test.engine.exec_exit_code(&exec).await.unwrap(), 11);

    spec.command = vec!["no-such-program".to_owned()];
    let (exec, attached) = test.engine.exec(&id, &spec).await.unwrap();
    let (said, _) = read_all(attached.output).await;
    assert!(said.contains("executable file not found"), "{said}");
    // Engine 20.10 says 126 even where shells say 127.
    assert!([126, 127].contains(&test.engine.exec_exit_code(&exec).await.unwrap()));

    test.engine.stop(&id, Duration::ZERO).await.unwrap();
    assert!(test.engine.exec(&id, &spec).await.is_err());
}

#[tokio::test]
async fn a_process_whose_client_vanished_can_be_ended() {
    let test = TestEngine::with_network().await;
    let id = test.started(&test.script("orphan", "exec sleep 1000")).await;
    let spec = ExecSpec {
        command: ["sleep", "2000"].map(str::to_owned).to_vec(),
        environment: ConfigVars::new(),
        terminal: true,
        stdin: true,
    };
    let (exec, attached) = test.engine.exec(&id, &spec).await.unwrap();
    test.engine.resize_exec(&exec, 100, 30).await.unwrap();
    eventually("it can be signalled", || async {
        test.engine.kill_exec(&exec, Signal::SIGKILL).await.unwrap();
        crate::docker_support::docker_text(&["top", id.as_str(), "-o", "pid,args"])
            .lines()
            .all(|line| !line.contains("sleep 2000"))
            .then_some(())
    })
    .await;
    drop(attached);
    assert_eq!(test.engine.exec_exit_code(&exec).await.unwrap(), 137);
    test.engine.kill_exec(&exec, Signal::SIGKILL).await.unwrap();
}

#[tokio::test]
async fn a_process_need_not_read_all_its_input() {
    let test = TestEngine::with_network().await;
    let mut spec = test.script("head", "head -c 5; echo; exit 3");
    spec.stdin = true;
    let id = test.engine.create(&spec).await.unwrap();
    let Attached { mut input, output } = test.engine.attach(&id).await.unwrap();
    test.engine.start(&id).await.unwrap();
    let write = async {
        // Far more than every buffer in between holds.
        while input.write(&[b'x'; MEBIBYTE]).await.is_ok() {}
    };
    let ((), (text, _)) = tokio::join!(write, read_all(output));
    assert_eq!(text, "xxxxx\n");
    assert_eq!(test.engine.wait(&id).await.unwrap(), 3);
}
