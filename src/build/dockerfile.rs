//! Building from a Dockerfile: the commit's tree goes to the engine as a stream, nothing is checked out.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use secrecy::SecretSlice;
use tokio::sync::mpsc;

use crate::build::fence::Fence;
use crate::build::process_files::{self, ProcessFiles};
use crate::build::{BuildOrder, BuildStageError, Built, source};
use crate::docker::build::error::BuildError;
use crate::docker::build::line::BuildLine;
use crate::docker::build::{BuildSecret, BuildSpec};
use crate::formats::dockerignore::DockerIgnore;
use crate::formats::ignore::Ignore;
use crate::git::context::{Context, ContextRequest};
use crate::git::tree::Snapshot;
use crate::model::byte_size::ByteSize;
use crate::model::config_var::{ConfigKey, ConfigValue};
use crate::model::release::ImageId;

/// Lines of output that may wait for a slow client.
const BACKLOG: usize = 64;

/// Builds the image and reads the Procfile and app.json beside it.
pub async fn build(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Built, BuildStageError> {
    let directory = order.options.directory.clone().unwrap_or_default();
    let dockerfile = order.options.dockerfile.clone().unwrap_or_else(|| "Dockerfile".to_owned());
    let read = async |name: &str| source::read(snapshot, &order.options, name).await;
    if read(&dockerfile).await?.is_none() {
        return Err(BuildStageError::NoDockerfile {
            app_name: order.app_name.clone(),
            looked_for: dockerfile,
            place: if directory.is_empty() { "the repository".to_owned() } else { directory },
        });
    }
    let contents = source::process_files(snapshot, &order.options).await?;
    let ProcessFiles { processes, app_json } = process_files::read(order, contents).await?;
    // As BuildKit has it: a Dockerfile may have rules of its own beside it.
    let own_rules = format!("{dockerfile}.dockerignore");
    let rules = match read(&own_rules).await? {
        Some(rules) => rules,
        None => read(".dockerignore").await?.unwrap_or_default(),
    };
    let ignore = Ignore::Docker(DockerIgnore::parse(&rules, &[&dockerfile, ".dockerignore"])?);
    order.console.step(format!("Building {} from {dockerfile}", order.app_name)).await;
    let fence = Fence::raise(order.engine.owner().as_str(), order.limits);
    let mut spec = specification(order, dockerfile);
    fence.mark(&mut spec.build_args);
    let context =
        snapshot.context(ContextRequest { subdirectory: directory, ignore, ..ContextRequest::default() });
    let built = run(order, &spec, context).await;
    let toll = fence.lower().await;
    let image = built.map_err(|error| match error {
        // A step may have done without what was killed; only one that failed is told why.
        BuildStageError::Build(source @ BuildError::Step(_)) if toll.out_of_memory => {
            BuildStageError::OutOfMemory { limit: ByteSize(order.limits.memory), source }
        }
        other => other,
    })?;
    let facts = order.engine.image_facts(&image.0).await?;
    let exposed_ports = facts.map(|facts| facts.exposed_tcp_ports).unwrap_or_default();
    Ok(Built { image, exposed_ports, processes, app_json })
}

fn specification(order: &BuildOrder<'_>, dockerfile: String) -> BuildSpec {
    let secret = |(key, value): (&ConfigKey, &ConfigValue)| BuildSecret {
        id: key.to_string(),
        value: SecretSlice::from(value.expose().as_bytes().to_vec()),
    };
    BuildSpec {
        dockerfile,
        target: order.options.target.clone(),
        build_args: arguments(order),
        hosts: order.options.hosts.clone(),
        secrets: order.config.iter().map(secret).collect(),
        tag: Some(format!("{}:{}", order.image_repository, order.image_tag)),
        ..BuildSpec::new()
    }
}

/// Runs the build, shows its output as it comes, and warns of what was in the context.
async fn run(order: &BuildOrder<'_>, spec: &BuildSpec, context: Context) -> Result<ImageId, BuildStageError> {
    let Context { stream, summary } = context;
    let stream = stream.map_err(std::io::Error::other);
    let (output, lines) = mpsc::channel(BACKLOG);
    let build = async move { order.engine.build(spec, stream, &output, order.cancel).await };
    let (image, ()) = tokio::join!(build, show(lines, order));
    let image = image?;
    for pointer in summary.await.unwrap_or_default().lfs_pointers {
        let warning = format!("{pointer} is a Git LFS pointer: the build got the pointer, not the file");
        order.console.warn(warning).await;
    }
    Ok(image)
}

async fn show(mut lines: mpsc::Receiver<BuildLine>, order: &BuildOrder<'_>) {
    while let Some(line) = lines.recv().await {
        match line {
            step @ BuildLine::Step { .. } => order.console.line(step).await,
            other => order.console.detail(other).await,
        }
    }
}

/// Build arguments; one without a value of its own takes the config var of its name. Those that say where the host's
/// proxy is are known to every Dockerfile, and no image keeps them.
fn arguments(order: &BuildOrder<'_>) -> BTreeMap<String, String> {
    let value = |(name, value): (&String, &String)| {
        let from_config = || {
            let found = order.config.iter().find(|(key, _)| key.as_str() == name);
            found.map(|(_, value)| value.expose().to_owned())
        };
        let value = if value.is_empty() { from_config().unwrap_or_default() } else { value.clone() };
        (name.clone(), value)
    };
    let mut arguments: BTreeMap<String, String> = order.options.arguments.iter().map(value).collect();
    for (name, value) in order.surroundings.build_arguments() {
        if !order.options.arguments.keys().any(|own| own.eq_ignore_ascii_case(name)) {
            arguments.insert(name.to_owned(), value.to_owned());
        }
    }
    arguments
}
