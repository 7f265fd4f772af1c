//! The image of an app: what was compiled, on the run image.
//!
//! What the build added beside the source is a layer of its own, below the app's: as long as it stays the same, the
//! images of an app share it, and a small change makes a small layer. It has no name: an engine keeps an image that
//! another one was made of for as long as that is there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use crate::build::buildpacks::bundle::{Files, START, USER};
use crate::build::buildpacks::hints::Hint;
use crate::build::buildpacks::scratch::Scratch;
use crate::build::buildpacks::stack;
use crate::build::{BuildOrder, BuildStageError};
use crate::docker::commit::{ImageName, ImageStart};
use crate::docker::container::{ContainerSpec, OutputLog};
use crate::docker::error::EngineError;
use crate::docker::labels::{self, ContainerLabels};
use crate::model::buildpack::Builder;
use crate::model::byte_size::ByteSize;
use crate::model::config_var::ConfigVars;
use crate::model::container_options::{ContainerOptions, EngineOptions};
use crate::model::release::{ImageId, ProcessCommand, SHELL_ENTRYPOINT};

/// Where the build container has the source and what was made of it.
const APP: &str = "/app";
/// Where it has what was added.
const APART: &str = "/slipway/apart/app";
/// A layer's label: the key of what is in it, and the image below.
const LAYER: &str = "slipway.layer";
/// The label of an image on top of one: the layer's id.
const LAYER_IMAGE: &str = "slipway.layer-image";

/// Makes it and gives it the build's name. The files go from one container to the other as a stream.
pub async fn make(
    order: &BuildOrder<'_>,
    hint: &Hint,
    built: &Scratch,
    config: ConfigVars,
) -> Result<ImageId, BuildStageError> {
    let Below { image: below, bytes, is_new } = below(order, &hint.run.name, built).await?;
    let mut spec = specification(order, &below, (LAYER_IMAGE, &below.0));
    spec.environment = config;
    spec.options.engine.labels.extend(origin(hint, &built.detected().await?));
    let container = Scratch::create(order, &spec).await?;
    let start = start().map_err(|error| EngineError::Broken(error.into()))?;
    order.engine.upload(container.id(), "/", stream::iter([Ok(Bytes::from(start))])).await?;
    let own = copy(order, built, APP, &container).await?;
    let shared = if is_new { String::new() } else { format!(", of which {} are new", ByteSize(own)) };
    order.console.step(format!("Slug: {}{shared}", ByteSize(own + bytes))).await;
    let name = ImageName { repository: &order.image_repository, tag: &order.image_tag };
    Ok(commit(order, container, Some(name)).await?)
}

/// Whence an image comes: for reports, and so that what it came from is kept.
fn origin(hint: &Hint, buildpacks: &[String]) -> [(String, String); 4] {
    [
        (labels::BUILDER, Builder::Buildpacks.to_string()),
        (labels::BUILDPACKS, buildpacks.join(" ")),
        (stack::BUILT_IN, hint.build.to_string()),
        (stack::STANDS_ON, hint.run.to_string()),
    ]
    .map(|(label, value)| (label.to_owned(), value))
}

/// What the app's own layer stands on.
struct Below {
    image: ImageId,
    bytes: u64,
    is_new: bool,
}

async fn below(
    order: &BuildOrder<'_>,
    run_image: &ImageId,
    built: &Scratch,
) -> Result<Below, BuildStageError> {
    let Some((key, bytes)) = built.layer().await? else {
        return Ok(Below { image: run_image.clone(), bytes: 0, is_new: true });
    };
    let label = format!("{key} {run_image}");
    if let Some(image) = shared(order, &label).await? {
        return Ok(Below { image, bytes, is_new: false });
    }
    let specification = specification(order, run_image, (LAYER, &label));
    let container = Scratch::create(order, &specification).await?;
    copy(order, built, APART, &container).await?;
    Ok(Below { image: commit(order, container, None).await?, bytes, is_new: true })
}

/// The layer below the image that runs now, if it is the one that is wanted.
async fn shared(order: &BuildOrder<'_>, label: &str) -> Result<Option<ImageId>, EngineError> {
    let Some(previous) = order.previous else { return Ok(None) };
    let previous = order.engine.image_facts(&previous.0).await?;
    let layer = previous.and_then(|facts| facts.labels.get(LAYER_IMAGE).cloned());
    let Some(layer) = layer else { return Ok(None) };
    let facts = order.engine.image_facts(&layer).await?;
    Ok(facts.filter(|facts| facts.labels.get(LAYER).is_some_and(|own| own == label)).map(|facts| facts.id))
}

/// Copies a directory that is `/app` in the end; gives the size of the stream.
async fn copy(
    order: &BuildOrder<'_>,
    built: &Scratch,
    directory: &str,
    container: &Scratch,
) -> Result<u64, EngineError> {
    let size = Arc::new(AtomicU64::new(0));
    let counted = size.clone();
    let files = order.engine.download(built.id(), directory).await?.map(move |chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        counted.fetch_add(chunk.len().try_into().unwrap_or(0), Ordering::Relaxed);
        Ok(chunk)
    });
    order.engine.upload(container.id(), "/", files).await?;
    Ok(size.load(Ordering::Relaxed))
}

async fn commit(
    order: &BuildOrder<'_>,
    container: Scratch,
    name: Option<ImageName<'_>>,
) -> Result<ImageId, EngineError> {
    let entrypoint = [SHELL_ENTRYPOINT.to_owned()];
    let start = ImageStart { entrypoint: &entrypoint, command: &[] };
    let image = order.engine.commit(container.id(), name, start).await;
    container.remove_later();
    image
}

fn specification(order: &BuildOrder<'_>, image: &ImageId, label: (&str, &str)) -> ContainerSpec {
    let labels = ContainerLabels::of_build(order.app_name);
    let mut engine = EngineOptions {
        user: Some(format!("{USER}:{USER}")),
        working_directory: Some(APP.to_owned()),
        ..EngineOptions::default()
    };
    engine.labels.insert(label.0.to_owned(), label.1.to_owned());
    let name = format!("{}.slug.{:08x}", order.app_name, rand::random::<u32>());
    ContainerSpec {
        // The engine makes no container without a command; this one is never started.
        command: ProcessCommand::Arguments(vec!["never started".to_owned()]),
        log: OutputLog::Off,
        options: ContainerOptions { engine, ..ContainerOptions::default() },
        ..ContainerSpec::new(name, image.clone(), labels)
    }
}

fn start() -> io::Result<Vec<u8>> {
    let mut files = Files::new();
    files.add(SHELL_ENTRYPOINT.trim_start_matches('/'), 0o755, START.as_bytes())?;
    files.finish()
}
