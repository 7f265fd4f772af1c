//! The image of an app: what was compiled, on the run image.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use crate::build::buildpacks::bundle::{Files, START, USER};
use crate::build::buildpacks::container::Scratch;
use crate::build::{BuildOrder, BuildStageError};
use crate::docker::commit::ImageStart;
use crate::docker::container::{ContainerSpec, OutputLog};
use crate::docker::error::EngineError;
use crate::docker::labels::{ContainerKind, ContainerLabels};
use crate::model::byte_size::ByteSize;
use crate::model::config_var::ConfigVars;
use crate::model::container_options::{ContainerOptions, EngineOptions};
use crate::model::release::{ImageId, ProcessCommand, SHELL_ENTRYPOINT};

/// Makes it and gives it the build's name. The files go from one container to the other as a stream.
pub async fn make(
    order: &BuildOrder<'_>,
    run_image: &ImageId,
    built: &Scratch,
    config: ConfigVars,
) -> Result<ImageId, BuildStageError> {
    let base = Scratch::create(order, &specification(order, run_image, config)).await?;
    let start = start().map_err(|error| EngineError::Broken(error.into()))?;
    order.engine.upload(base.id(), "/", stream::iter([Ok(Bytes::from(start))])).await?;
    let size = Arc::new(AtomicU64::new(0));
    let counted = size.clone();
    let files = order.engine.download(built.id(), "/app").await?.map(move |chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        counted.fetch_add(chunk.len().try_into().unwrap_or(0), Ordering::Relaxed);
        Ok(chunk)
    });
    order.engine.upload(base.id(), "/", files).await?;
    order.console.step(format!("Slug: {}", ByteSize(size.load(Ordering::Relaxed)))).await;
    let entrypoint = [SHELL_ENTRYPOINT.to_owned()];
    let start = ImageStart { entrypoint: &entrypoint, command: &[] };
    let image = order.engine.commit(base.id(), &order.image_repository, &order.image_tag, start).await;
    base.remove().await?;
    Ok(image?)
}

fn specification(order: &BuildOrder<'_>, run_image: &ImageId, environment: ConfigVars) -> ContainerSpec {
    let labels = ContainerLabels {
        kind: ContainerKind::Build,
        app: order.app_name.clone(),
        process_type: None,
        instance: None,
        release: None,
    };
    let options = ContainerOptions {
        engine: EngineOptions {
            user: Some(format!("{USER}:{USER}")),
            working_directory: Some("/app".to_owned()),
            ..EngineOptions::default()
        },
        ..ContainerOptions::default()
    };
    let name = format!("{}.slug.{:08x}", order.app_name, rand::random::<u32>());
    ContainerSpec {
        // The engine makes no container without a command; this one is never started.
        command: ProcessCommand::Arguments(vec!["never started".to_owned()]),
        environment,
        log: OutputLog::Off,
        options,
        ..ContainerSpec::new(name, run_image.clone(), labels)
    }
}

fn start() -> io::Result<Vec<u8>> {
    let mut files = Files::new();
    files.add(SHELL_ENTRYPOINT.trim_start_matches('/'), 0o755, START.as_bytes())?;
    files.finish()
}
