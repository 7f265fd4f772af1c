//! Building from a Dockerfile: the commit's tree goes to the engine as a stream, nothing is checked out.

use std::collections::BTreeMap;

use crate::build::{BuildOrder, BuildStageError, Built};
use crate::docker::BuildSpec;
use crate::formats::dockerignore::Dockerignore;
use crate::formats::procfile::Procfile;
use crate::git::tree::Snapshot;
use crate::model::process_type::ProcessType;
use crate::model::release::ProcessCommand;

/// Builds the image and reads the Procfile beside it.
pub async fn build(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Built, BuildStageError> {
    let directory = order.options.directory.clone().unwrap_or_default();
    let dockerfile = order.options.dockerfile.as_deref().unwrap_or("Dockerfile");
    let read = async |name: &str| snapshot.read_file(&join(&directory, name)).await;
    if read(dockerfile).await?.is_none() {
        return Err(BuildStageError::NoDockerfile {
            app_name: order.app_name.clone(),
            looked_for: dockerfile.to_owned(),
            place: if directory.is_empty() { "the repository".to_owned() } else { directory },
        });
    }
    // A broken Procfile is found before the minutes of a build, not after.
    let processes = processes(read("Procfile").await?)?;
    let ignored = read(".dockerignore").await?.unwrap_or_default();
    let ignored = Dockerignore::parse(&String::from_utf8_lossy(&ignored), dockerfile);
    for pointer in snapshot.lfs_pointers(&directory).await? {
        order.console.warn(format!("{pointer} is a Git LFS pointer: the build gets the pointer, not the file")).await;
    }
    order.console.step(format!("Building {} from {dockerfile}", order.app_name)).await;
    let context = snapshot.context(&directory, ignored).await?;
    let spec = BuildSpec {
        dockerfile: dockerfile.to_owned(),
        target: order.options.target.clone(),
        arguments: arguments(order),
        secrets: order.config.iter().map(|(key, value)| (key.to_string(), value.clone())).collect(),
        app: Some(order.app_name.clone()),
        tag: Some(order.tag.clone()),
    };
    let image = order.engine.build(spec, context, order.console, order.cancel).await?;
    let facts = order.engine.image_facts(&image.0).await?;
    let exposed_ports = facts.map(|facts| facts.exposed_ports).unwrap_or_default();
    Ok(Built { image, exposed_ports, processes })
}

/// Build arguments; one without a value of its own takes the config var of its name.
fn arguments(order: &BuildOrder<'_>) -> BTreeMap<String, String> {
    let value = |(name, value): (&String, &String)| {
        let from_config = || {
            let found = order.config.iter().find(|(key, _)| key.as_str() == name);
            found.map(|(_, value)| value.expose().to_owned())
        };
        let value = if value.is_empty() { from_config().unwrap_or_default() } else { value.clone() };
        (name.clone(), value)
    };
    order.options.arguments.iter().map(value).collect()
}

/// The process types: those of the Procfile, and a `web` that is the image's own command if it names none.
fn processes(procfile: Option<Vec<u8>>) -> Result<BTreeMap<ProcessType, ProcessCommand>, BuildStageError> {
    let mut processes = BTreeMap::new();
    if let Some(bytes) = procfile {
        for (process_type, command) in Procfile::parse(&bytes)?.processes {
            processes.insert(process_type, ProcessCommand::Arguments(command.words));
        }
    }
    if processes.is_empty() {
        processes.insert(ProcessType::web(), ProcessCommand::Image);
    }
    Ok(processes)
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{}/{name}", directory.trim_end_matches('/')) }
}
