//! A source that is an image already: found on the host, else pulled.

use tokio::sync::mpsc;

use crate::build::process_files::{self, Contents, ProcessFiles};
use crate::build::{BuildOrder, BuildStageError, Built, relay};
use crate::docker::error::EngineError;
use crate::docker::image::ImageFacts;

/// The largest file that is read for its settings, in bytes.
const LIMIT: usize = 1 << 20;
/// Lines of progress that may wait for a slow client.
const BACKLOG: usize = 16;

/// Finds the image.
pub async fn find(order: &BuildOrder<'_>, reference: &str) -> Result<Built, BuildStageError> {
    let present = order.engine.image_facts(reference).await.map_err(|error| match error {
        // Not even a name that an image could have.
        EngineError::Refused { message, .. } => no_image(reference, message),
        other => other.into(),
    })?;
    if present.is_some() {
        order.console.detail("Image exists on host, skipping pull").await;
    } else {
        pull(order, reference).await?;
    }
    let facts = order.engine.image_facts(reference).await?;
    let facts = facts.ok_or_else(|| no_image(reference, "the engine does not know it".to_owned()))?;
    // The tag keeps the image from a person's `docker image prune` for as long as a release needs it.
    order.engine.tag(&facts.id, &order.image_repository, &order.image_tag).await?;
    let contents = contents(order, &facts).await?;
    let ProcessFiles { processes, app_json } = process_files::read(order, contents).await?;
    Ok(Built { image: facts.id, exposed_ports: facts.exposed_tcp_ports, processes, app_json })
}

/// The Procfile and the app.json in the image's working directory, or where they were said to be from there.
async fn contents(order: &BuildOrder<'_>, facts: &ImageFacts) -> Result<Contents, BuildStageError> {
    let directory = facts.working_directory.trim_end_matches('/');
    let path = |path: &str| format!("{directory}/{path}");
    let paths = [
        path(process_files::procfile_path(&order.options)),
        path(process_files::app_json_path(&order.options)),
        path(process_files::CHECKS),
    ];
    let mut files = order.engine.image_files(&facts.id, order.app_name, &paths, LIMIT).await?.into_iter();
    let mut next = || files.next().flatten();
    Ok(Contents { procfile: next(), app_json: next(), checks: next() })
}

async fn pull(order: &BuildOrder<'_>, reference: &str) -> Result<(), BuildStageError> {
    order.console.detail("Pulling image").await;
    let (progress, lines) = mpsc::channel(BACKLOG);
    let pull = async move { order.engine.pull(reference, None, &progress).await };
    let (pulled, ()) = tokio::join!(pull, relay(lines, order.console));
    pulled.map(drop).map_err(|error| no_image(reference, error.to_string()))
}

fn no_image(reference: &str, message: String) -> BuildStageError {
    BuildStageError::NoImage { reference: reference.to_owned(), message }
}
