//! One run of the driver in a build container: the source goes in, what it made stays in the container.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::build::buildpacks::ask::{self, Candidate};
use crate::build::buildpacks::bundle::{Files, USER};
use crate::build::buildpacks::hints::Hint;
use crate::build::buildpacks::network::Ways;
use crate::build::buildpacks::plan::Plan;
use crate::build::buildpacks::scratch::Scratch;
use crate::build::buildpacks::{BuildpacksError, disk, packages};
use crate::build::{BuildOrder, BuildStageError};
use crate::console::whole_lines::WholeLines;
use crate::docker::container::{ContainerSpec, OutputLog};
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerLabels;
use crate::docker::oom;
use crate::git::context::ContextRequest;
use crate::git::tree::Snapshot;
use crate::model::byte_size::ByteSize;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_options::{ContainerOptions, EngineOptions, Limits, Mount, Ulimit};

/// The most output that is shown. A build in an endless loop must not fill a disk with its words.
const OUTPUT_LIMIT: usize = 16 << 20;
/// The driver's exit statuses, as its head lists them.
const ASKED: i64 = 40;
const NOT_DETECTED: i64 = 41;
const NEEDS_PACKAGES: i64 = 42;
const UNUSABLE: [i64; 2] = [43, 44];
const OUT_OF_PROCESSES: i64 = 45;
const UNFIT_STACK: i64 = 46;
/// Of a process that was killed.
const KILLED: i64 = 137;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The build.
    pub order: &'a BuildOrder<'a>,
    /// The source.
    pub snapshot: &'a Snapshot,
    /// The buildpacks.
    pub plan: &'a Plan,
    /// Where.
    pub hint: &'a Hint,
}

/// How it ended, if it did not fail.
#[derive(Debug)]
pub enum Ended {
    /// `/app` is compiled.
    Built(Scratch),
    /// Each buildpack was asked, and nothing more.
    Asked(Vec<Candidate>),
    /// What was detected asks for packages that the image lacks.
    NeedsPackages {
        /// In the driver's words.
        detected: String,
        /// The `buildpack.toml`s of what was detected.
        wishes: Vec<Vec<u8>>,
    },
}

/// Makes the container, fills it, and runs it to its end.
pub async fn run(order: Order<'_>) -> Result<Ended, BuildStageError> {
    let engine = order.order.engine;
    if let Some(cache) = &order.order.cache_volume {
        engine.create_cache(cache).await?;
    }
    let ignore = packages::slugignore(order.order, order.snapshot).await?;
    let aptfile = packages::aptfile(order.order, order.snapshot, order.plan).await?;
    let ways = Ways::of_host(&order.order.surroundings.reachable).await;
    let specification = specification(order.order, order.hint, order.snapshot, ways);
    let scratch = Scratch::create(order.order, &specification).await?;
    let tools = tools(order, &aptfile).map_err(|error| EngineError::Broken(error.into()))?;
    engine.upload(scratch.id(), "/", stream::iter([Ok(Bytes::from(tools))])).await?;
    let context = order.snapshot.context(ContextRequest {
        subdirectory: order.order.options.directory.clone().unwrap_or_default(),
        ignore,
        owner: USER,
        ..ContextRequest::default()
    });
    engine.upload(scratch.id(), "/app", context.stream.map_err(io::Error::other)).await?;
    let kills = oom::kills().await;
    let BuildOrder { cache_volume, limits, app_name, .. } = order.order;
    let status = tokio::select! {
        status = to_the_end(order.order, &scratch) => status?,
        () = disk::exceeded(engine, scratch.id(), cache_volume.as_deref(), limits.disk) => {
            scratch.remove().await?;
            let limit = ByteSize(limits.disk);
            return Err(BuildpacksError::OutOfDisk { app_name: (*app_name).clone(), limit }.into());
        }
    };
    match status {
        0 => Ok(Ended::Built(scratch)),
        ASKED if order.plan.only_asks => {
            let asked = ask::candidates(&scratch.output("candidates").await?);
            scratch.remove().await?;
            Ok(Ended::Asked(asked))
        }
        NEEDS_PACKAGES => {
            let (detected, wishes) = (scratch.output("detected").await?, scratch.outputs("toml").await?);
            scratch.remove().await?;
            Ok(Ended::NeedsPackages { detected, wishes })
        }
        _ => {
            let error = failure(order, &scratch, status, kills).await?;
            scratch.remove().await?;
            Err(error.into())
        }
    }
}

async fn failure(
    order: Order<'_>,
    scratch: &Scratch,
    status: i64,
    kills: Option<u64>,
) -> Result<BuildpacksError, EngineError> {
    if status == NOT_DETECTED && order.plan.is_fixed() {
        return Ok(BuildpacksError::NotFit);
    }
    if status == NOT_DETECTED {
        let candidates = ask::candidates(&scratch.output("candidates").await?);
        let said: Vec<String> =
            candidates.iter().map(|candidate| format!("{}: {}", candidate.name, candidate.said)).collect();
        return Ok(BuildpacksError::NotDetected(said.join("\n")));
    }
    if UNUSABLE.contains(&status) {
        return Ok(BuildpacksError::Unusable);
    }
    if status == OUT_OF_PROCESSES {
        return Ok(BuildpacksError::OutOfProcesses(order.order.limits.pids));
    }
    if status == UNFIT_STACK {
        return Ok(BuildpacksError::UnfitStack(order.hint.build.name.clone()));
    }
    if status == KILLED || oom::kills().await > kills {
        return Ok(BuildpacksError::OutOfMemory(ByteSize(order.order.limits.memory)));
    }
    Ok(BuildpacksError::Failed(status))
}

async fn to_the_end(order: &BuildOrder<'_>, scratch: &Scratch) -> Result<i64, EngineError> {
    let mut output = order.engine.attach(scratch.id()).await?.output;
    order.engine.start(scratch.id()).await?;
    let (mut lines, mut shown) = (WholeLines::default(), 0);
    while let Some(chunk) = output.next().await {
        let bytes = chunk?.bytes;
        let had_room = shown < OUTPUT_LIMIT;
        shown = shown.saturating_add(bytes.len());
        if shown < OUTPUT_LIMIT {
            // Together: a line by itself costs a journey through the server, git and SSH.
            let whole = lines.take(&bytes);
            if !whole.is_empty() {
                order.console.line(whole.join("\n")).await;
            }
        } else if had_room {
            order
                .console
                .warn(format!("more than {} of output: the rest is left out", ByteSize(16 << 20)))
                .await;
        }
    }
    if shown < OUTPUT_LIMIT
        && let Some(line) = lines.finish()
    {
        order.console.line(line).await;
    }
    order.engine.wait(scratch.id()).await
}

fn specification(order: &BuildOrder<'_>, hint: &Hint, snapshot: &Snapshot, ways: Ways) -> ContainerSpec {
    let labels = ContainerLabels::of_build(order.app_name);
    let mut environment = surroundings(order);
    let mut set = |key: &str, value: String| {
        if let (Ok(key), Ok(value)) = (key.parse::<ConfigKey>(), ConfigValue::from_bytes(value.into_bytes()))
        {
            environment.insert(key, value);
        }
    };
    set("SOURCE_VERSION", snapshot.commit().as_str().to_owned());
    set("REQUEST_ID", format!("{:032x}", rand::random::<u128>()));
    set("DYNO", order.image_tag.replacen('-', ".", 1));
    set("SLIPWAY_CLOSED", ways.closed);
    set("SLIPWAY_OPEN", ways.open);
    let cache = order.cache_volume.as_ref().map(|volume| Mount {
        source: volume.clone(),
        target: "/cache".to_owned(),
        read_only: false,
        exclusive: false,
    });
    let options = ContainerOptions {
        limits: Limits {
            memory: Some(order.limits.memory),
            cpu_shares: Some(u64::from(order.limits.cpu_weight) * 1024 / 100),
            pids: Some(order.limits.pids),
            ..Limits::default()
        },
        mounts: order.surroundings.mounts.iter().cloned().chain(cache).collect(),
        engine: EngineOptions {
            user: Some("0:0".to_owned()),
            // Given up again before anything of a person's runs.
            added_capabilities: vec!["NET_ADMIN".to_owned()],
            hosts: order.options.hosts.clone(),
            // What all files together take is looked at now and then; a single one can be bounded at once.
            ulimits: largest_file(order.limits.disk),
            ..EngineOptions::default()
        },
        ..ContainerOptions::default()
    };
    let name = format!("{}.{}", order.app_name, order.image_tag.replacen('-', ".", 1));
    ContainerSpec {
        entrypoint: Some(vec!["/slipway/buildpacks/stack/enter".to_owned()]),
        environment,
        log: OutputLog::Off,
        options,
        ..ContainerSpec::new(name, hint.build.name.clone(), labels)
    }
}

/// The variables of this host, in which the app's config vars stand for what they say otherwise.
fn surroundings(order: &BuildOrder<'_>) -> ConfigVars {
    let mut environment = order.config.clone();
    order.surroundings.add_proxy(&mut environment);
    order.surroundings.add_certificates(&mut environment);
    let all = order.surroundings.environment();
    environment.retain(|key, _| all.keys().any(|own| own.as_str().eq_ignore_ascii_case(key.as_str())));
    environment
}

fn largest_file(bytes: u64) -> Vec<Ulimit> {
    let limit = i64::try_from(bytes).unwrap_or(i64::MAX);
    if limit == 0 {
        return Vec::new();
    }
    vec![Ulimit { name: "fsize".to_owned(), soft: limit, hard: limit }]
}

/// The bundle, the plan, and a file for each config var.
fn tools(order: Order<'_>, aptfile: &str) -> io::Result<Vec<u8>> {
    let mut files = Files::with_bundle()?;
    if let Some(folder) = order.order.tested {
        files.add_buildpack(folder)?;
    }
    if order.order.cache_volume.is_none() {
        files.directory("cache")?;
    }
    // Not every stack has it.
    files.directory_owned("app", USER)?;
    files.directory("slipway/out")?;
    files.directory("slipway/env")?;
    files.directory("slipway/apart")?;
    files.directory("slipway/apart/app")?;
    files.add("slipway/plan", 0o644, order.plan.text().as_bytes())?;
    files.add("slipway/aptfile", 0o644, aptfile.as_bytes())?;
    files.add("slipway/expected", 0o644, order.hint.detected.as_bytes())?;
    let config: &ConfigVars = order.order.config;
    for (key, value) in config {
        files.add_owned(&format!("slipway/env/{key}"), 0o400, USER, value.expose().as_bytes())?;
    }
    files.finish()
}
