//! The images that buildpacks build in and apps run on. Slipway's own are made here; others are taken as they are.
//!
//! An image is called after its definition and what it stands on, so all servers of a host share it and none has to
//! know of the others: what is called so is what is needed. Which are in use is written on the apps' images.

pub mod inventory;

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::build::buildpacks::BuildpacksError;
use crate::build::buildpacks::bundle::{BUILD_DOCKERFILE, Files, RUN_DOCKERFILE};
use crate::build::{BuildOrder, BuildStageError, relay};
use crate::console::Console;
use crate::docker::Engine;
use crate::docker::build::BuildSpec;
use crate::docker::build::line::BuildLine;
use crate::docker::error::EngineError;
use crate::docker::image::ImageFacts;
use crate::model::release::ImageId;
use crate::model::surroundings::Surroundings;

/// What the images are called; the tag says which one and of which definition.
pub const REPOSITORY: &str = "slipway-stack";
/// What `STACK` says in Slipway's own.
pub const NAME: &str = "slipway-12";
/// A stack image's label: `run` or `build`.
const KIND: &str = "slipway.stack";
/// Its label with the Debian packages that it adds to the stack, if it does.
const PACKAGES: &str = "slipway.stack.packages";
/// An app image's label: the stack image that it was built in, by name and id with a space between.
pub const BUILT_IN: &str = "slipway.stack.build-image";
/// The one that it stands on.
pub const STANDS_ON: &str = "slipway.stack.run-image";
/// The base of Slipway's own.
const BASE: &str = "debian:bookworm-slim";
/// Lines of output that may wait for a slow client.
const BACKLOG: usize = 64;
/// An image that was used again within so many seconds needs no new mark of it.
const MARK_AFTER: i64 = 3600;

/// One image of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackImage {
    /// What it is called.
    pub name: ImageId,
    /// What is called so now: a new one after `stack:rebuild`.
    pub id: ImageId,
}

impl StackImage {
    /// The name and the id of an app image's label, as [`StackImage`] is displayed.
    pub fn parts(label: &str) -> (&str, &str) {
        label.split_once(' ').unwrap_or((label, ""))
    }
}

impl fmt::Display for StackImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.id)
    }
}

/// The two images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// With compilers and headers.
    pub build: StackImage,
    /// Without.
    pub run: StackImage,
}

/// An image with more in it than another.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// `run` or `build`.
    pub kind: &'a str,
    /// How it is made.
    pub dockerfile: &'a str,
    /// What it stands on.
    pub base: &'a ImageId,
    /// The Debian packages that it adds; empty for the stack itself.
    pub packages: &'a str,
}

/// What makes stack images.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// Where progress goes.
    pub console: &'a Console,
    /// What containers need to get out of this host.
    pub surroundings: &'a Surroundings,
    /// Ends it.
    pub cancel: &'a CancellationToken,
    /// Whether images are made that are there already.
    pub anew: bool,
}

/// The stack of an app, made or fetched if it is not there.
pub async fn ensure(order: &BuildOrder<'_>) -> Result<Stack, BuildStageError> {
    match &order.options.stack {
        Some(image) => named(order, image).await,
        None => Ok(Maker::of(order).own().await?),
    }
}

/// Heroku's images, and others that follow it: `NAME-build` has what `NAME` has, and the compilers.
async fn named(order: &BuildOrder<'_>, image: &str) -> Result<Stack, BuildStageError> {
    let run = image.strip_suffix("-build").unwrap_or(image);
    let mut found = Vec::new();
    for name in [format!("{run}-build"), run.to_owned()] {
        let id = match order.engine.image_facts(&name).await? {
            Some(facts) => Some(facts.id),
            None => pull(order.engine, order.console, &name).await.ok(),
        };
        found.extend(id.map(|id| StackImage { name: ImageId(name), id }));
    }
    match found.as_slice() {
        [build, run] => Ok(Stack { build: build.clone(), run: run.clone() }),
        [both] => Ok(Stack { build: both.clone(), run: both.clone() }),
        _ => Err(BuildpacksError::NoStack(run.to_owned()).into()),
    }
}

async fn pull(engine: &Engine, console: &Console, name: &str) -> Result<ImageId, EngineError> {
    console.detail(format!("Pulling {name}")).await;
    let (progress, lines) = mpsc::channel(BACKLOG);
    let pull = async move { engine.pull(name, None, &progress).await };
    let (pulled, ()) = tokio::join!(pull, relay(lines, console));
    pulled
}

impl<'a> Maker<'a> {
    /// For a build.
    pub fn of(order: &BuildOrder<'a>) -> Self {
        let BuildOrder { engine, console, surroundings, cancel, .. } = *order;
        Self { engine, console, surroundings, cancel, anew: false }
    }

    /// Fetches a newer base from its registry.
    pub async fn pull_base(&self) -> Result<(), BuildpacksError> {
        let pulled = pull(self.engine, self.console, BASE).await;
        pulled.map(drop).map_err(|error| BuildpacksError::NoBase(BASE, error.to_string()))
    }

    /// Slipway's own stack.
    pub async fn own(&self) -> Result<Stack, BuildpacksError> {
        let base = base(self.engine).await.map_err(broken)?;
        let run = Layer { kind: "run", dockerfile: RUN_DOCKERFILE, base: &base, packages: "" };
        let run = self.layer(run).await?;
        let dockerfile = build_dockerfile(&run.name);
        let build = Layer { kind: "build", dockerfile: &dockerfile, base: &run.id, packages: "" };
        Ok(Stack { build: self.layer(build).await?, run })
    }

    /// An image with more in it than another, made if it is not there.
    pub async fn layer(&self, layer: Layer<'_>) -> Result<StackImage, BuildpacksError> {
        let name = ImageId(layer.name());
        if !self.anew
            && let Some(facts) = self.engine.image_facts(&name.0).await.map_err(broken)?
        {
            self.mark(&name, &facts).await.map_err(broken)?;
            return Ok(StackImage { name, id: facts.id });
        }
        let Layer { kind, dockerfile, packages, .. } = layer;
        self.console
            .step(format!("Making the {kind} image, once for all apps; this can take a minute"))
            .await;
        let mut files = Files::new();
        let added = files.add("Dockerfile", 0o644, dockerfile.as_bytes()).and_then(|()| files.finish());
        let context = added.map_err(|error| BuildpacksError::Stack(error.to_string()))?;
        let mut labels = BTreeMap::from([(KIND.to_owned(), kind.to_owned())]);
        labels.insert(PACKAGES.to_owned(), packages.to_owned());
        let proxy = self.surroundings.build_arguments();
        let spec = BuildSpec {
            tag: Some(name.0.clone()),
            labels,
            build_args: proxy.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            no_cache: self.anew,
            shared: true,
            ..BuildSpec::new()
        };
        let (output, lines) = mpsc::channel(BACKLOG);
        let building = async move {
            let context = stream::iter([Ok(Bytes::from(context))]);
            self.engine.build(&spec, context, &output, self.cancel).await
        };
        let (built, ()) = tokio::join!(building, self.show(lines));
        let id = built.map_err(|error| BuildpacksError::Stack(error.to_string()))?;
        Ok(StackImage { name, id })
    }

    /// Marks an image as used, so that no server of this host takes it for garbage before it is in use: the engine
    /// remembers when an image was last named.
    async fn mark(&self, name: &ImageId, facts: &ImageFacts) -> Result<(), EngineError> {
        let is_marked = facts.named_at.is_some_and(|at| at > inventory::now() - MARK_AFTER);
        match name.0.split_once(':') {
            Some((repository, tag)) if !is_marked => self.engine.tag(&facts.id, repository, tag).await,
            _ => Ok(()),
        }
    }

    async fn show(&self, mut lines: mpsc::Receiver<BuildLine>) {
        while let Some(line) = lines.recv().await {
            if let BuildLine::Output(text) = line {
                self.console.detail(text).await;
            }
        }
    }
}

impl Layer<'_> {
    fn name(&self) -> String {
        let definition = format!("{}\n{}", self.base, self.dockerfile);
        let digest = digest(&SHA256, definition.as_bytes());
        let short: String = digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{REPOSITORY}:{}-{short}", self.kind)
    }
}

/// What Slipway's own stands on; nothing yet if the engine does not have it.
async fn base(engine: &Engine) -> Result<ImageId, EngineError> {
    let facts = engine.image_facts(BASE).await?;
    Ok(facts.map_or_else(|| ImageId(String::new()), |facts| facts.id))
}

fn build_dockerfile(run: &ImageId) -> String {
    BUILD_DOCKERFILE.replace("slipway/stack-run", &run.0)
}

fn broken(error: EngineError) -> BuildpacksError {
    BuildpacksError::Stack(error.to_string())
}
