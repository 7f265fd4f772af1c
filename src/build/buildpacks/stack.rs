//! The images that buildpacks build in and apps run on. Slipway's own are made here; others are taken as they are.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::build::buildpacks::BuildpacksError;
use crate::build::buildpacks::bundle::{BUILD_DOCKERFILE, Files, RUN_DOCKERFILE};
use crate::build::{BuildOrder, BuildStageError, relay};
use crate::docker::build::BuildSpec;
use crate::docker::build::line::BuildLine;
use crate::docker::error::EngineError;
use crate::model::release::ImageId;

/// What the images are called; the tag says which one and of which definition.
const REPOSITORY: &str = "slipway-stack";
/// The base of Slipway's own.
const BASE: &str = "debian:bookworm-slim";
/// Lines of output that may wait for a slow client.
const BACKLOG: usize = 64;

/// The two images, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// With compilers and headers.
    pub build: ImageId,
    /// Without.
    pub run: ImageId,
}

/// The stack of an app, made or fetched if it is not there.
pub async fn ensure(order: &BuildOrder<'_>) -> Result<Stack, BuildStageError> {
    if let Some(image) = &order.options.stack {
        return named(order, image).await;
    }
    let base = order.engine.image_facts(BASE).await?.map(|facts| facts.id.0).unwrap_or_default();
    let run = layer(order, "run", RUN_DOCKERFILE, &base).await?;
    let build = BUILD_DOCKERFILE.replace("slipway/stack-run", &run.0);
    let build = layer(order, "build", &build, "").await?;
    Ok(Stack { build, run })
}

/// Heroku's images, and others that follow it: `NAME-build` has what `NAME` has, and the compilers.
async fn named(order: &BuildOrder<'_>, image: &str) -> Result<Stack, BuildStageError> {
    let run = image.strip_suffix("-build").unwrap_or(image);
    let mut found = Vec::new();
    for name in [format!("{run}-build"), run.to_owned()] {
        if order.engine.image_facts(&name).await?.is_some() || pull(order, &name).await {
            found.push(ImageId(name));
        }
    }
    match found.as_slice() {
        [build, run] => Ok(Stack { build: build.clone(), run: run.clone() }),
        [both] => Ok(Stack { build: both.clone(), run: both.clone() }),
        _ => Err(BuildpacksError::Stack(format!("{run} is neither on the host nor in a registry")).into()),
    }
}

async fn pull(order: &BuildOrder<'_>, name: &str) -> bool {
    order.console.detail(format!("Pulling {name}")).await;
    let (progress, lines) = mpsc::channel(BACKLOG);
    let pull = async move { order.engine.pull(name, None, &progress).await };
    let (pulled, ()) = tokio::join!(pull, relay(lines, order.console));
    pulled.is_ok()
}

/// An image with more in it than another, which is kept under a name made of its definition.
pub async fn layer(
    order: &BuildOrder<'_>,
    kind: &str,
    dockerfile: &str,
    base: &str,
) -> Result<ImageId, BuildStageError> {
    let definition = digest(&SHA256, format!("{base}\n{dockerfile}").as_bytes());
    let short: String = definition.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{REPOSITORY}:{kind}-{short}");
    if order.engine.image_facts(&name).await?.is_some() {
        return Ok(ImageId(name));
    }
    order.console.step(format!("Making the {kind} image, once for all apps; this can take a minute")).await;
    let mut files = Files::new();
    let added = files.add("Dockerfile", 0o644, dockerfile.as_bytes()).and_then(|()| files.finish());
    let context = added.map_err(|error| EngineError::Broken(error.into()))?;
    let proxy = order.surroundings.build_arguments();
    let build_args = proxy.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let spec = BuildSpec { tag: Some(name.clone()), build_args, ..BuildSpec::new() };
    let (output, mut lines) = mpsc::channel(BACKLOG);
    let building = async move {
        let context = stream::iter([Ok(Bytes::from(context))]);
        order.engine.build(&spec, context, &output, order.cancel).await
    };
    let showing = async {
        while let Some(line) = lines.recv().await {
            if let BuildLine::Output(text) = line {
                order.console.detail(text).await;
            }
        }
    };
    let (built, ()) = tokio::join!(building, showing);
    built.map_err(|error| BuildpacksError::Stack(error.to_string()))?;
    Ok(ImageId(name))
}
