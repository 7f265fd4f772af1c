//! One build of a fixture, and one process in what came of it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::build::buildpacks::{self, BuildpacksError, Made};
use crate::build::cgroup::Limits;
use crate::build::{BuildOptions, BuildOrder, BuildStageError};
use crate::console::{Console, Output};
use crate::docker::container::ContainerSpec;
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerLabels;
use crate::git::tree::Snapshot;
use crate::model::app_name::AppName;
use crate::model::buildpack::{Builder, BuildpackReference};
use crate::model::config_var::ConfigValue;
use crate::model::container_options::ContainerOptions;
use crate::model::release::{ImageId, ProcessCommand};
use crate::run::task::{self, TaskEnd};
use crate::trial::check::Outcome;
use crate::trial::fixture::Fixture;
use crate::trial::workshop::Workshop;

/// How long a build may take.
const LONGEST_BUILD: Duration = Duration::from_secs(1800);
/// How long a process in the image may take.
const LONGEST_RUN: Duration = Duration::from_secs(120);
/// What a build may take, as on a server that nobody has configured.
const LIMITS: Limits = Limits { memory: 4 << 30, cpu_weight: 20, pids: 4096, disk: 8 << 30 };
/// Pieces of output that may wait.
const BACKLOG: usize = 16;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Where.
    pub workshop: &'a Workshop,
    /// On what.
    pub fixture: &'a Fixture,
    /// What its images are called.
    pub app_name: &'a AppName,
    /// Its source.
    pub snapshot: &'a Snapshot,
    /// Its cache.
    pub cache: &'a str,
    /// Whether output is shown as it comes.
    pub verbose: bool,
}

/// Builds it as a push does; the second time with what the first left in the cache, and with its image.
pub async fn build(attempt: Attempt<'_>, previous: Option<&ImageId>) -> (Outcome, Option<ImageId>) {
    let workshop = attempt.workshop;
    let (console, output) = Console::new();
    let order = BuildOrder {
        engine: &workshop.engine,
        submodules: &workshop.submodules,
        app_name: attempt.app_name,
        image_repository: format!("{}/{}", workshop.engine.network_name(), attempt.app_name),
        image_tag: format!("build-{:08x}", rand::random::<u32>()),
        options: BuildOptions {
            builder: Builder::Buildpacks,
            // It lies among the bundled ones while it is tested.
            buildpacks: vec![BuildpackReference::Bundled(workshop.name.clone())],
            ..BuildOptions::default()
        },
        config: &attempt.fixture.config,
        console: &console,
        limits: LIMITS,
        surroundings: &workshop.surroundings,
        cache_volume: Some(attempt.cache.to_owned()),
        previous,
        hints: &workshop.hints,
        tested: Some(&workshop.buildpack),
        cancel: &workshop.cancel,
    };
    let building = async {
        let made = buildpacks::make(&order, attempt.snapshot);
        timeout(LONGEST_BUILD, workshop.cancel.run_until_cancelled(made)).await
    };
    let showing = tokio::spawn(collect(output, attempt.verbose));
    let made = building.await;
    drop(order);
    drop(console);
    let output = showing.await.unwrap_or_default();
    match made {
        Ok(Some(made)) => outcome(output, made),
        Ok(None) => failed(output, "it was interrupted"),
        Err(_) => failed(output, "the build does not end"),
    }
}

fn outcome(mut output: String, made: Result<Made, BuildStageError>) -> (Outcome, Option<ImageId>) {
    let error = match made {
        Ok(Made { built, proposed }) => {
            let release = proposed.into_iter().map(|(name, line)| (name.to_string(), line)).collect();
            return (Outcome { detected: true, status: 0, output, release }, Some(built.image));
        }
        Err(error) => error,
    };
    // As a push ends.
    output.extend(chain(&error).lines().map(|line| format!(" !     {line}\n")));
    let (detected, status) = match error {
        BuildStageError::Buildpacks(BuildpacksError::NotFit) => (false, 1),
        BuildStageError::Buildpacks(BuildpacksError::Failed(status)) => (true, status),
        _ => (true, 1),
    };
    (Outcome { detected, status, output, ..Outcome::default() }, None)
}

fn failed(output: String, why: &str) -> (Outcome, Option<ImageId>) {
    let output = format!("{output} !     {why}\n");
    (Outcome { detected: true, status: 1, output, ..Outcome::default() }, None)
}

fn chain(error: &BuildStageError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// All output in the order in which it came.
async fn collect(mut output: mpsc::Receiver<Output>, verbose: bool) -> String {
    let mut bytes = Vec::new();
    while let Some(chunk) = output.recv().await {
        let (Output::Stdout(chunk) | Output::Stderr(chunk) | Output::Terminal(chunk)) = chunk;
        if verbose {
            // To standard error: standard output may be JSON, and nobody need read this.
            tokio::io::copy(&mut chunk.as_ref(), &mut tokio::io::stderr()).await.ok();
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a command line in the image as a process of an app is run; gives its status and all it printed.
pub async fn run(attempt: Attempt<'_>, image: &ImageId, command: &str) -> Result<(i64, String), EngineError> {
    let workshop = attempt.workshop;
    let mut environment = workshop.surroundings.environment();
    environment.extend(attempt.fixture.config.clone());
    for (key, value) in [("PORT", "5000"), ("DYNO", "run.1")] {
        if let (Ok(key), Ok(value)) = (key.parse(), ConfigValue::from_bytes(value.as_bytes().to_vec())) {
            environment.entry(key).or_insert(value);
        }
    }
    let name = format!("{}.run.{:08x}", attempt.app_name, rand::random::<u32>());
    let spec = ContainerSpec {
        command: ProcessCommand::Line(command.to_owned()),
        environment,
        options: ContainerOptions {
            mounts: workshop.surroundings.mounts.clone(),
            ..ContainerOptions::default()
        },
        ..ContainerSpec::new(name, image.clone(), ContainerLabels::of_build(attempt.app_name))
    };
    let (sink, mut chunks) = mpsc::channel(BACKLOG);
    let running = task::run(&workshop.engine, spec, LONGEST_RUN, &workshop.cancel, sink);
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            bytes.extend_from_slice(&chunk.bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (ended, mut output) = tokio::join!(running, reading);
    let status = match ended? {
        TaskEnd::Exited { code, .. } => code,
        TaskEnd::TimeOver | TaskEnd::Cancelled => {
            output.push_str("it was ended: its time was over\n");
            1
        }
    };
    Ok((status, output))
}
