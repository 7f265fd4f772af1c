//! Builds through BuildKit's session, and through the classic builder.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use slipway::docker::Engine;
use slipway::docker::build::error::BuildError;
use slipway::docker::build::line::BuildLine;
use slipway::docker::build::{BuildSecret, BuildSpec};
use slipway::docker::events::ContainerChange;
use slipway::docker::facts::Health;
use slipway::docker::image::ImageRemoval;
use slipway::model::release::{ImageId, ProcessCommand};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::docker_support::{SOCKET, TestEngine, docker, docker_text, eventually};

/// A tar of files, in chunks.
fn context(files: &[(&str, &[u8])]) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, *bytes).unwrap();
    }
    let bytes = Bytes::from(archive.into_inner().unwrap());
    let chunks: Vec<_> = bytes.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks)
}

fn dockerfile(text: &str) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    context(&[("Dockerfile", text.as_bytes())])
}

/// Builds, and gives the result with what a person saw.
async fn build(
    test: &TestEngine,
    spec: &BuildSpec,
    context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> (Result<ImageId, BuildError>, String) {
    let (output, mut lines) = mpsc::channel::<BuildLine>(4);
    let read = async {
        let mut text = String::new();
        while let Some(line) = lines.recv().await {
            text.push_str(&format!("{line}\n"));
        }
        text
    };
    let cancel = CancellationToken::new();
    let run = async move { test.engine.build(spec, context, &output, &cancel).await };
    tokio::join!(run, read)
}

/// A word that no earlier build can have cached.
fn fresh() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[tokio::test]
async fn a_dockerfile_becomes_an_image() {
    let test = TestEngine::new();
    let text = format!(
        "FROM debian:bookworm-slim\nARG GREETING\nCOPY hello.txt /\n\
         RUN echo {} && echo \"$GREETING\" && cat /hello.txt\nEXPOSE 8080 3000/tcp 53/udp\nCMD [\"cat\", \"/hello.txt\"]\n",
        fresh()
    );
    let mut spec = BuildSpec::new();
    spec.build_args.insert("GREETING".to_owned(), "good & evening=?".to_owned());
    spec.labels.insert("slipway.app".to_owned(), "blog".to_owned());
    spec.tag = Some(format!("{}/blog:v1", test.engine.network_name()));
    let files = context(&[("Dockerfile", text.as_bytes()), ("hello.txt", b"from the context\n")]);
    let (image, seen) = build(&test, &spec, files).await;
    let image = image.unwrap();
    assert!(seen.contains("Step 3/3 : RUN echo"), "{seen}");
    assert!(seen.contains("\ngood & evening=?\nfrom the context\n"), "{seen}");

    let facts = test.engine.image_facts(&image.0).await.unwrap().unwrap();
    assert_eq!(facts.id, image);
    assert_eq!(facts.exposed_tcp_ports, [3000, 8080]);
    assert_eq!(facts.command, ["cat", "/hello.txt"]);
    let owned = test.engine.list_images().await.unwrap();
    assert_eq!(owned.len(), 1);
    assert_eq!((&owned[0].id, &owned[0].tags[0]), (&image, spec.tag.as_ref().unwrap()));
    assert_eq!(owned[0].labels["slipway.app"], "blog");
}

#[tokio::test]
async fn a_step_that_fails_is_named_with_its_code_and_last_words() {
    let test = TestEngine::new();
    let text = format!("FROM debian:bookworm-slim\nRUN echo {}; seq 1 100; echo oops; exit 42\n", fresh());
    let (result, seen) = build(&test, &BuildSpec::new(), dockerfile(&text)).await;
    let Err(BuildError::Step(step)) = result else { panic!("{result:?}") };
    assert!(step.title.starts_with("Step 2/2 : RUN echo"), "{step:?}");
    assert_eq!(step.exit_code, Some(42));
    assert_eq!(step.last_lines.len(), 20);
    assert!(step.last_lines.contains(&"oops".to_owned()) && step.last_lines.contains(&"100".to_owned()));
    assert!(seen.contains("\n57\n"), "{seen}");
}

#[tokio::test]
async fn what_is_wrong_with_a_dockerfile_is_said_plainly() {
    let test = TestEngine::new();
    let wrong = |text: &'static str| {
        let test = &test;
        async move { build(test, &BuildSpec::new(), dockerfile(text)).await.0.unwrap_err().to_string() }
    };
    let error = wrong("FROM debian:bookworm-slim\nRUNN true\n").await;
    assert!(error.starts_with("dockerfile parse error line 2: unknown instruction: RUNN"), "{error}");
    let error = wrong("FROM debian:bookworm-slim\nCOPY missing /\n").await;
    assert!(error.starts_with("Step 2/2 : COPY missing / failed: "), "{error}");
    assert!(error.contains("not found"), "{error}");
    let (result, _) = build(&test, &BuildSpec::new(), context(&[("README", b"x")])).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("Dockerfile: no such file or directory"), "{error}");
    let error = wrong("FROM 127.0.0.1:1/nobody/here:1\n").await;
    assert!(error.contains("127.0.0.1:1/nobody/here:1") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn secrets_reach_their_step_and_neither_output_nor_layers() {
    let test = TestEngine::new();
    let secret = fresh();
    let text = format!(
        "FROM debian:bookworm-slim\n# {}\n\
         RUN --mount=type=secret,id=token sha256sum /run/secrets/token | cut -c1-64\n\
         RUN test ! -e /run/secrets/token\n\
         RUN --mount=type=secret,id=unknown test ! -e /run/secrets/unknown\n",
        fresh()
    );
    let mut spec = BuildSpec::new();
    spec.no_cache = true;
    let value = format!("{secret}\n\0binary").into_bytes();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &value);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    spec.secrets.push(BuildSecret { id: "token".to_owned(), value: value.into() });
    assert!(!format!("{spec:?}").contains(&secret));
    let (image, seen) = build(&test, &spec, dockerfile(&text)).await;
    let image = image.unwrap();
    assert!(seen.contains(&digest), "{seen}");
    assert!(!seen.contains(&secret));
    let history = docker_text(&["history", "--no-trunc", &image.0]);
    assert!(!history.contains(&secret));
    let found = docker_text(&[
        "run",
        "--rm",
        "--net=none",
        &image.0,
        "sh",
        "-c",
        &format!("grep -rl {secret} /run /tmp /etc /root /var 2>/dev/null; echo searched"),
    ]);
    assert_eq!(found, "searched");
}

#[tokio::test]
async fn a_cache_mount_lives_from_build_to_build() {
    let test = TestEngine::new();
    let id = fresh();
    let text = |round: u32| {
        format!(
            "FROM debian:bookworm-slim\nRUN --mount=type=cache,id={id},target=/cache \
             echo round{round} >> /cache/log && cat /cache/log\n"
        )
    };
    build(&test, &BuildSpec::new(), dockerfile(&text(1))).await.0.unwrap();
    let (image, seen) = build(&test, &BuildSpec::new(), dockerfile(&text(2))).await;
    image.unwrap();
    assert!(seen.contains("\nround1\nround2\n"), "{seen}");
}

#[tokio::test]
async fn a_step_that_is_cached_says_so_and_takes_no_time() {
    let test = TestEngine::new();
    let text = format!("FROM debian:bookworm-slim\nRUN echo {}\n", fresh());
    let (first, _) = build(&test, &BuildSpec::new(), dockerfile(&text)).await;
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let (again, seen) = build(&test, &BuildSpec::new(), dockerfile(&text)).await;
        fastest = fastest.min(start.elapsed());
        assert_eq!(again.unwrap(), *first.as_ref().unwrap());
        assert!(seen.contains("RUN echo") && seen.contains("(cached)"), "{seen}");
    }
    println!("a warm build takes {fastest:?}");
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
}

/// Whether a process with this argument runs on this host, where the engine runs too.
fn runs(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}

#[tokio::test]
async fn cancelling_stops_the_step_in_the_engine() {
    let test = TestEngine::new();
    let duration = format!("3{}", rand::random::<u16>());
    let text = format!("FROM debian:bookworm-slim\nRUN exec sleep {duration}\n");
    let cancel = CancellationToken::new();
    let (output, _lines) = mpsc::channel(1000);
    let spec = BuildSpec::new();
    let stop = async {
        eventually("the step runs", async || runs(&duration).then_some(())).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(test.engine.build(&spec, dockerfile(&text), &output, &cancel), stop);
    assert!(matches!(result, Err(BuildError::Cancelled)), "{result:?}");
    eventually("the step is gone", async || (!runs(&duration)).then_some(())).await;
}

#[tokio::test]
async fn a_dropped_build_stops_the_step_in_the_engine() {
    let test = TestEngine::new();
    let duration = format!("4{}", rand::random::<u16>());
    let text = format!("FROM debian:bookworm-slim\nRUN exec sleep {duration}\n");
    let (output, _lines) = mpsc::channel(1000);
    let (spec, cancel) = (BuildSpec::new(), CancellationToken::new());
    tokio::select! {
        result = test.engine.build(&spec, dockerfile(&text), &output, &cancel) => panic!("{result:?}"),
        () = eventually("the step runs", async || runs(&duration).then_some(())) => {}
    }
    eventually("the step is gone", async || (!runs(&duration)).then_some(())).await;
}

/// The engine behind a socket that knows no build sessions: an engine without BuildKit.
async fn without_buildkit(test: &TestEngine) -> (Engine, tempfile::TempDir, AbortOnDropHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serve = async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                // One request a connection: its first line says where it goes.
                let mut start = vec![0; 4096];
                let length = client.read(&mut start).await.unwrap();
                start.truncate(length);
                if start.starts_with(b"POST /v1.41/session ") {
                    client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    return;
                }
                let mut engine = UnixStream::connect(SOCKET).await.unwrap();
                engine.write_all(&start).await.unwrap();
                // Either side may go away: then the other one learns it.
                drop(tokio::io::copy_bidirectional(&mut client, &mut engine).await);
            });
        }
    };
    let engine = Engine::connect(&path, test.engine.owner().clone());
    (engine, folder, AbortOnDropHandle::new(tokio::spawn(serve)))
}

#[tokio::test]
async fn an_engine_without_buildkit_builds_as_well() {
    let test = TestEngine::new();
    let (engine, _folder, _server) = without_buildkit(&test).await;
    let classic = TestEngine { engine };
    let text =
        format!("FROM debian:bookworm-slim\nCOPY Dockerfile /\nRUN echo {}; printf a; echo b\n", fresh());
    let (image, seen) = build(&classic, &BuildSpec::new(), dockerfile(&text)).await;
    let image = image.unwrap();
    // The labels are a step of their own here.
    assert!(seen.contains("Step 3/4 : RUN echo") && seen.contains("\nab\n"), "{seen}");
    assert!(!seen.contains("--->"), "{seen}");
    assert_eq!(test.engine.list_images().await.unwrap()[0].id, image);
    let (again, seen) = build(&classic, &BuildSpec::new(), dockerfile(&text)).await;
    assert_eq!(again.unwrap(), image);
    assert!(seen.contains("(cached)"), "{seen}");

    let text = format!("FROM debian:bookworm-slim\nRUN echo {}; echo oops; exit 42\n", fresh());
    let (result, _) = build(&classic, &BuildSpec::new(), dockerfile(&text)).await;
    let Err(BuildError::Step(step)) = result else { panic!("{result:?}") };
    assert!(step.title.starts_with("Step 2/3 : RUN echo"), "{step:?}");
    assert_eq!((step.exit_code, step.last_lines.last().unwrap().as_str()), (Some(42), "oops"));

    let mut spec = BuildSpec::new();
    spec.secrets.push(BuildSecret { id: "token".to_owned(), value: vec![1].into() });
    let (result, _) = build(&classic, &spec, dockerfile(&text)).await;
    assert!(matches!(result, Err(BuildError::Rejected(_))), "{result:?}");
}

#[tokio::test]
async fn cancelling_stops_the_classic_builders_step_too() {
    let test = TestEngine::new();
    let (engine, _folder, _server) = without_buildkit(&test).await;
    let duration = format!("5{}", rand::random::<u16>());
    let text = format!("FROM debian:bookworm-slim\nRUN exec sleep {duration}\n");
    let (output, _lines) = mpsc::channel(1000);
    let (spec, cancel) = (BuildSpec::new(), CancellationToken::new());
    tokio::select! {
        result = engine.build(&spec, dockerfile(&text), &output, &cancel) => panic!("{result:?}"),
        () = eventually("the step runs", async || runs(&duration).then_some(())) => {}
    }
    eventually("the step is gone", async || (!runs(&duration)).then_some(())).await;
}

#[tokio::test]
async fn an_images_check_is_told_and_followed() {
    let test = TestEngine::with_network().await;
    let text = "FROM debian:bookworm-slim\n\
                HEALTHCHECK --interval=1s --retries=1 CMD test ! -e /sick\nCMD [\"sleep\", \"1000\"]\n";
    let image = build(&test, &BuildSpec::new(), dockerfile(text)).await.0.unwrap();
    assert!(test.engine.image_facts(&image.0).await.unwrap().unwrap().has_healthcheck);
    let mut events = test.engine.events().await.unwrap();
    let mut spec = test.script("healthy", "");
    (spec.image, spec.command) = (image, ProcessCommand::Image);
    let id = test.started(&spec).await;
    assert_eq!(test.engine.inspect(id.as_str()).await.unwrap().health, Health::Starting);
    let mut next = async || events.try_next().await.unwrap().unwrap().change;
    assert_eq!(next().await, ContainerChange::Started);
    assert_eq!(next().await, ContainerChange::Health(Health::Healthy));
    assert_eq!(test.engine.inspect(id.as_str()).await.unwrap().health, Health::Healthy);
    docker_text(&["exec", id.as_str(), "touch", "/sick"]);
    assert_eq!(next().await, ContainerChange::Health(Health::Unhealthy));
}

#[tokio::test]
async fn an_archive_of_images_is_loaded() {
    let test = TestEngine::new();
    let mut spec = BuildSpec::new();
    let name = format!("slipway/{}:saved", test.engine.owner());
    spec.tag = Some(name.clone());
    let image = build(&test, &spec, dockerfile("FROM scratch\nCOPY Dockerfile /\n")).await.0.unwrap();
    let archive = docker(&["save", &name]).stdout;
    assert_eq!(test.engine.remove_image(&name).await.unwrap(), ImageRemoval::Removed);
    assert_eq!(test.engine.image_facts(&image.0).await.unwrap(), None);
    let loaded = test.engine.load(stream::iter([Ok(Bytes::from(archive))])).await.unwrap();
    assert_eq!(loaded, [name.as_str()]);
    assert_eq!(test.engine.image_facts(&name).await.unwrap().unwrap().id, image);
    assert!(test.engine.load(stream::iter([Ok(Bytes::from_static(b"no archive"))])).await.is_err());
}

#[tokio::test]
async fn a_source_that_cannot_be_read_ends_the_build_with_its_own_error() {
    let test = TestEngine::new();
    let broken = dockerfile("FROM debian:bookworm-slim\n")
        .take(1)
        .chain(stream::iter([Err(io::Error::other("object 1f6c3a2 is missing"))]));
    let (result, _) = build(&test, &BuildSpec::new(), broken).await;
    let Err(BuildError::Context(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.to_string(), "object 1f6c3a2 is missing");
}

#[tokio::test]
async fn build_args_that_no_request_can_hold_are_refused() {
    let test = TestEngine::new();
    let mut spec = BuildSpec::new();
    spec.build_args.insert("LONG".to_owned(), "x".repeat(100_000));
    let (result, _) = build(&test, &spec, dockerfile("FROM scratch\n")).await;
    assert!(matches!(result, Err(BuildError::Rejected(_))), "{result:?}");
}
