//! Containers: making, steering, listing, news.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use slipway::docker::container::{OutputLog, RestartPolicy};
use slipway::docker::error::EngineError;
use slipway::docker::events::ContainerChange;
use slipway::docker::facts::{ContainerFilter, Health, RunState};
use slipway::docker::image::ImageRemoval;
use slipway::docker::labels::ContainerKind;
use slipway::docker::logs::LogOptions;
use slipway::docker::output::StandardStream;
use slipway::model::config_var::{ConfigValue, ConfigVars};
use slipway::model::release::ImageId;

use crate::docker_support::{IMAGE, TestEngine, docker_text, read_all};

#[tokio::test]
async fn a_container_lives_and_dies() {
    let test = TestEngine::with_network().await;
    let engine = &test.engine;
    let mut spec = test.script("life", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
    spec.labels.kind = ContainerKind::Deploy;
    spec.labels.instance = Some("web.1".parse().unwrap());
    spec.stop_timeout = Duration::from_secs(20);
    let id = engine.create(&spec).await.unwrap();
    assert_eq!(engine.inspect(id.as_str()).await.unwrap().state, RunState::Created);
    assert!(matches!(engine.create(&spec).await, Err(EngineError::Conflict(_))));
    assert!(matches!(engine.kill(&id, "SIGTERM").await, Err(EngineError::Conflict(_))));

    engine.start(&id).await.unwrap();
    engine.start(&id).await.unwrap();
    let facts = engine.inspect(&spec.name).await.unwrap();
    assert_eq!((facts.state, facts.health, facts.restart_count), (RunState::Running, Health::None, 0));
    assert_eq!(facts.labels, spec.labels);
    assert!(facts.pid.is_some() && facts.started_at.is_some() && facts.address.is_some());
    assert!(facts.image.0.starts_with("sha256:"));

    // The trap is set once it has said so.
    let mut log = engine.logs(&id, LogOptions { follow: true, ..LogOptions::default() }).await.unwrap();
    assert_eq!(&log.try_next().await.unwrap().unwrap().bytes[..], b"up\n");
    engine.rename(&id, &format!("{}-renamed", engine.owner())).await.unwrap();
    engine.stop(&id, Duration::from_secs(20)).await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap(), 7);
    let facts = engine.inspect(id.as_str()).await.unwrap();
    assert_eq!((facts.state, facts.pid, facts.address), (RunState::Exited(7), None, None));
    assert!(facts.name.ends_with("-renamed"));

    engine.remove(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    assert!(engine.inspect(id.as_str()).await.unwrap_err().is_not_found());
    assert!(engine.start(&id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn what_ignores_sigterm_is_killed_after_the_timeout() {
    let test = TestEngine::with_network().await;
    let id = test.started(&test.script("stubborn", "trap '' TERM; while :; do sleep 0.05; done")).await;
    test.engine.stop(&id, Duration::from_secs(1)).await.unwrap();
    assert_eq!(test.engine.inspect(id.as_str()).await.unwrap().state, RunState::Exited(137));
}

#[tokio::test]
async fn a_container_is_fenced_in() {
    let test = TestEngine::with_network().await;
    let script = "grep -E '^(NoNewPrivs|CapBnd)' /proc/self/status; cat /proc/1/comm; \
                  cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max";
    let id = test.started(&test.script("fenced", script)).await;
    assert_eq!(test.engine.wait(&id).await.unwrap(), 0);
    let (text, _) = read_all(test.engine.logs(&id, LogOptions::default()).await.unwrap()).await;
    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, SETPCAP 8, NET_BIND_SERVICE 10.
    assert!(text.contains("CapBnd:\t00000000000005fb\n"), "{text}");
    assert!(text.contains("NoNewPrivs:\t1\n"), "{text}");
    assert!(text.contains("docker-init") || text.contains("tini"), "{text}");
    assert!(text.ends_with("4096\n"), "{text}");
    let log = docker_text(&["inspect", id.as_str(), "-f", "{{json .HostConfig.LogConfig}}"]);
    assert!(log.contains("max-size") && log.contains("max-file"), "{log}");
}

#[tokio::test]
async fn the_environment_arrives_byte_for_byte() {
    let test = TestEngine::with_network().await;
    let mut environment = ConfigVars::new();
    let values = [
        ("QUOTES", "a \"b\" 'c' `d` $E ${F} \\ \\n".to_owned()),
        ("LINES", "one\ntwo\r\n\tthree \n".to_owned()),
        ("EQUALS", "=a==b=".to_owned()),
        ("UNICODE", "žluťoučký 🐴 \u{1} \u{7f} \u{2028}".to_owned()),
        ("EMPTY", String::new()),
        ("LONG", "x".repeat(ConfigValue::LIMIT)),
    ];
    for (key, value) in &values {
        environment.insert(key.parse().unwrap(), ConfigValue::from_bytes(value.clone().into()).unwrap());
    }
    let mut spec = test.script("environment", "exec cat /proc/self/environ");
    spec.environment = environment;
    let id = test.started(&spec).await;
    assert_eq!(test.engine.wait(&id).await.unwrap(), 0);
    let (text, _) = read_all(test.engine.logs(&id, LogOptions::default()).await.unwrap()).await;
    for (key, value) in &values {
        assert!(text.split('\0').any(|pair| pair == format!("{key}={value}")), "{key}");
    }
}

#[tokio::test]
async fn logs_are_cut_and_timed_as_asked() {
    let test = TestEngine::with_network().await;
    let id = test.started(&test.script("logs", "echo one; echo two; echo three")).await;
    test.engine.wait(&id).await.unwrap();
    let read = async |options| read_all(test.engine.logs(&id, options).await.unwrap()).await;
    assert_eq!(read(LogOptions::default()).await, ("one\ntwo\nthree\n".to_owned(), String::new()));
    let last = LogOptions { tail: Some(1), ..LogOptions::default() };
    assert_eq!(read(last).await, ("three\n".to_owned(), String::new()));
    let future = LogOptions { since: Some(4_000_000_000), ..LogOptions::default() };
    assert_eq!(read(future).await, (String::new(), String::new()));
    let (timed, _) = read(LogOptions { timestamps: true, ..last }).await;
    let (time, text) = timed.split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && text == "three\n", "{timed}");
}

#[tokio::test]
async fn a_terminals_log_is_read_as_it_is() {
    let test = TestEngine::with_network().await;
    let mut spec = test.script("terminal", r"printf '\001\000\002no line end'");
    spec.terminal = true;
    let id = test.started(&spec).await;
    test.engine.wait(&id).await.unwrap();
    let log = test.engine.logs(&id, LogOptions::default()).await.unwrap();
    let chunks: Vec<_> = log.try_collect().await.unwrap();
    let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
    assert_eq!(bytes, b"\x01\x00\x02no line end");
    assert!(chunks.iter().all(|chunk| chunk.stream == StandardStream::Stdout));
}

#[tokio::test]
async fn a_list_holds_ones_own_containers_and_can_be_narrowed() {
    let (test, stranger) = tokio::join!(TestEngine::with_network(), TestEngine::with_network());
    let mut app = test.script("b", "exit 3");
    app.labels.kind = ContainerKind::Build;
    let ended = test.started(&app).await;
    test.engine.wait(&ended).await.unwrap();
    let mut other = test.script("a", "exec sleep 1000");
    other.labels.app = "blog-staging".parse().unwrap();
    let running = test.started(&other).await;
    let foreign = stranger.started(&stranger.script("c", "exec sleep 1000")).await;

    let ids = |facts: Vec<slipway::docker::facts::ContainerFacts>| {
        facts.into_iter().map(|facts| facts.id).collect::<Vec<_>>()
    };
    let all = test.engine.list(&ContainerFilter::default()).await.unwrap();
    assert_eq!(all[1].state, RunState::Exited(3));
    assert_eq!(ids(all), [running, ended.clone()]);
    let blog = ContainerFilter { app: Some("blog".parse().unwrap()), kind: None };
    assert_eq!(ids(test.engine.list(&blog).await.unwrap()), std::slice::from_ref(&ended));
    assert!(test.engine.inspect(foreign.as_str()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn news_tells_of_starts_ends_and_removals_also_when_read_late() {
    let (test, stranger) = tokio::join!(TestEngine::with_network(), TestEngine::with_network());
    let events = test.engine.events().await.unwrap();
    stranger.started(&stranger.script("foreign", "exit 6")).await;
    let spec = test.script("news", "exit 5");
    let id = test.started(&spec).await;
    test.engine.wait(&id).await.unwrap();
    test.engine.remove(&id).await.unwrap();
    let events: Vec<_> = events.take(3).try_collect().await.unwrap();
    let changes: Vec<_> = events.iter().map(|event| event.change).collect();
    assert_eq!(changes, [ContainerChange::Started, ContainerChange::Died(5), ContainerChange::Destroyed]);
    assert!(events.iter().all(|event| event.id == id && event.labels == spec.labels));
}

#[tokio::test]
async fn the_engine_restarts_what_fails() {
    let test = TestEngine::with_network().await;
    let mut spec = test.script("restarts", "exit 9");
    spec.restart = RestartPolicy::OnFailure(2);
    let id = test.started(&spec).await;
    let facts = crate::docker_support::eventually("it gives up", || async {
        let facts = test.engine.inspect(id.as_str()).await.unwrap();
        (facts.restart_count == 2 && facts.state == RunState::Exited(9)).then_some(facts)
    })
    .await;
    assert!(!facts.oom_killed);
}

#[tokio::test]
async fn a_log_that_is_off_cannot_be_read() {
    let test = TestEngine::with_network().await;
    let mut spec = test.script("quiet", "echo secret");
    spec.log = OutputLog::Off;
    let id = test.started(&spec).await;
    test.engine.wait(&id).await.unwrap();
    assert!(matches!(
        test.engine.logs(&id, LogOptions::default()).await.map(|_| ()),
        Err(EngineError::Refused { .. })
    ));
}

#[tokio::test]
async fn images_are_described_tagged_and_removed() {
    let test = TestEngine::with_network().await;
    let facts = test.engine.image_facts(IMAGE).await.unwrap().unwrap();
    assert!(facts.id.0.starts_with("sha256:") && facts.size > 1_000_000);
    assert!(!facts.has_healthcheck && facts.exposed_tcp_ports.is_empty());
    assert_eq!(test.engine.image_facts("nobody/has-this:1").await.unwrap(), None);

    let repository = format!("slipway/{}", test.engine.owner());
    test.engine.tag(&facts.id, &repository, "v1").await.unwrap();
    let name = format!("{repository}:v1");
    assert_eq!(test.engine.image_facts(&name).await.unwrap().unwrap().id, facts.id);
    assert_eq!(test.engine.remove_image(&name).await.unwrap(), ImageRemoval::Removed);
    assert_eq!(test.engine.remove_image(&name).await.unwrap(), ImageRemoval::Absent);
    // Its real name is left: the base image stays.
    assert!(test.engine.image_facts(IMAGE).await.unwrap().is_some());

    let missing = ImageId("nobody/has-this:1".to_owned());
    let mut spec = test.script("imageless", "true");
    spec.image = missing;
    assert!(test.engine.create(&spec).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_pull_that_cannot_be_says_why() {
    let test = TestEngine::new();
    let (progress, _reader) = tokio::sync::mpsc::channel(16);
    let error = test.engine.pull("127.0.0.1:1/nobody/here", None, &progress).await.unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
}
