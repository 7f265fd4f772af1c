//! What the Docker tests share: an owner of their own for each test, and its removal at the end, whatever happens.

use std::future::Future;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use slipway::docker::Engine;
use slipway::docker::container::ContainerSpec;
use slipway::docker::labels::{ContainerKind, ContainerLabels};
use slipway::docker::output::{OutputStream, StandardStream};
use slipway::model::container_id::ContainerId;
use slipway::model::release::{ImageId, ProcessCommand};

/// The image that the engine of the tests has.
pub const IMAGE: &str = "debian:bookworm-slim";

/// Where the engine listens.
pub const SOCKET: &str = "/var/run/docker.sock";

/// An engine for one test. What its owner made is removed when it is dropped.
pub struct TestEngine {
    pub engine: Engine,
}

impl TestEngine {
    /// An engine whose owner nobody else uses, with its network.
    pub async fn with_network() -> Self {
        let test = Self::new();
        test.engine.ensure_network().await.unwrap();
        test
    }

    /// An engine whose owner nobody else uses.
    pub fn new() -> Self {
        let owner = format!("test{:016x}", rand::random::<u64>());
        Self { engine: Engine::connect(Path::new(SOCKET), owner.parse().unwrap()) }
    }

    /// A specification of a container that runs a shell script.
    pub fn script(&self, name: &str, script: &str) -> ContainerSpec {
        let labels = ContainerLabels {
            kind: ContainerKind::Run,
            app: "blog".parse().unwrap(),
            process_type: None,
            instance: None,
            release: None,
        };
        // Names are the engine's, not the owner's: tests run side by side.
        let name = format!("{}-{name}", self.engine.owner());
        let mut spec = ContainerSpec::new(name, ImageId(IMAGE.to_owned()), labels);
        spec.command = ProcessCommand::Arguments(["sh", "-c", script].map(str::to_owned).to_vec());
        spec.stop_timeout = Duration::from_secs(1);
        spec
    }

    /// Makes and starts a container.
    pub async fn started(&self, spec: &ContainerSpec) -> ContainerId {
        let id = self.engine.create(spec).await.unwrap();
        self.engine.start(&id).await.unwrap();
        id
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        let label = format!("label=slipway.owner={}", self.engine.owner());
        for (list, remove) in [
            (["ps", "-aq", "--filter", &label], ["rm", "-fv"]),
            (["images", "-q", "--filter", &label], ["rmi", "-f"]),
            (["network", "ls", "-q", "--filter"], ["network", "rm"]),
        ] {
            let mut arguments = list.to_vec();
            if arguments.last() == Some(&"--filter") {
                arguments.push(&label);
            }
            let listed = docker(&arguments);
            let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
            let ids: Vec<&str> = ids.split_whitespace().collect();
            if !ids.is_empty() {
                docker(&[&remove[..], &ids[..]].concat());
            }
        }
    }
}

/// Runs Docker's own client, as the second opinion.
pub fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").env("DOCKER_API_VERSION", "1.41").args(arguments).output().unwrap()
}

/// What Docker's own client prints.
pub fn docker_text(arguments: &[&str]) -> String {
    let output = docker(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Reads output to its end: standard output, standard error.
pub async fn read_all(output: OutputStream) -> (String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut output = output;
    while let Some(chunk) = output.try_next().await.unwrap() {
        match chunk.stream {
            StandardStream::Stdout => stdout.extend_from_slice(&chunk.bytes),
            StandardStream::Stderr => stderr.extend_from_slice(&chunk.bytes),
        }
    }
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Asks again until the answer is there, for at most half a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
