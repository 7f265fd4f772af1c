//! A source that is an image already: found on the host, else pulled.

use std::collections::BTreeMap;

use crate::build::{BuildOrder, BuildStageError, Built};
use crate::model::process_type::ProcessType;
use crate::model::release::ProcessCommand;

/// Finds the image.
pub async fn find(order: &BuildOrder<'_>, reference: &str) -> Result<Built, BuildStageError> {
    let found = order.engine.image_facts(reference).await?;
    let facts = if let Some(facts) = found {
        order.console.detail("Image exists on host, skipping pull").await;
        facts
    } else {
        order.console.detail("Pulling image").await;
        let no_image = |message: String| BuildStageError::NoImage { reference: reference.to_owned(), message };
        order.engine.pull(reference, order.console).await.map_err(|error| no_image(error.to_string()))?;
        let pulled = order.engine.image_facts(reference).await?;
        pulled.ok_or_else(|| no_image("the engine does not know it after the pull".to_owned()))?
    };
    // The tag keeps the image from a person's `docker image prune` for as long as a release needs it.
    order.engine.tag(&facts.id, &order.tag).await?;
    Ok(Built {
        image: facts.id,
        exposed_ports: facts.exposed_ports,
        processes: BTreeMap::from([(ProcessType::web(), ProcessCommand::Image)]),
    })
}
