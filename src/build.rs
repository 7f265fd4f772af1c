//! The stage that turns a source into an image. Each kind of builder is a file below.
//!
//! Knows sources and images; does not know releases, instances or routes.

pub mod buildpacks;
pub mod cgroup;
mod checks;
pub mod dockerfile;
pub mod fence;
pub mod image;
pub mod process_files;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::build::buildpacks::BuildpacksError;
use crate::build::buildpacks::hints::Hints;
use crate::build::buildpacks::plan;
use crate::build::cgroup::Limits;
use crate::console::Console;
use crate::docker::Engine;
use crate::docker::build::error::BuildError;
use crate::docker::error::EngineError;
use crate::formats::app_json::AppJsonError;
use crate::formats::checks::ChecksError;
use crate::formats::dockerignore::DockerIgnoreError;
use crate::formats::procfile::ProcfileError;
use crate::formats::slugignore::SlugIgnoreError;
use crate::git::submodules::{SubmoduleError, Submodules};
use crate::git::tree::{Snapshot, TreeError};
use crate::model::app_json::AppJson;
use crate::model::app_name::AppName;
use crate::model::buildpack::{Builder, BuildpackReference};
use crate::model::byte_size::ByteSize;
use crate::model::config_var::ConfigVars;
use crate::model::process_type::ProcessType;
use crate::model::release::{ImageId, ProcessCommand, Source};
use crate::model::surroundings::Surroundings;

/// What there is to build.
#[derive(Clone, Debug)]
pub enum BuildSource {
    /// A commit, read from the app's repository.
    Commit(Snapshot),
    /// An image that exists already.
    Image {
        /// As the person wrote it.
        reference: String,
    },
}

impl BuildSource {
    /// What the release records.
    pub fn source(&self) -> Source {
        match self {
            Self::Commit(snapshot) => Source::Git { commit: snapshot.commit().as_str().to_owned() },
            Self::Image { reference } => Source::Image { reference: reference.clone() },
        }
    }
}

/// What the app's properties say about building.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// The directory of the repository that holds the app (`builder:set build-dir`).
    pub directory: Option<String>,
    /// The Dockerfile's path below it (`builder-dockerfile:set dockerfile-path`).
    pub dockerfile: Option<String>,
    /// The stage to build (`builder-dockerfile:set target`).
    pub target: Option<String>,
    /// Where the Procfile is below it (`ps:set procfile-path`).
    pub procfile: Option<String>,
    /// Where app.json is below it (`app-json:set appjson-path`).
    pub app_json: Option<String>,
    /// What `web` runs if there is no Procfile (`ps:set start-cmd`).
    pub start_command: Option<String>,
    /// `--build-arg NAME=VALUE` of `docker-options:add APP build`; without a value it is the config var's.
    pub arguments: BTreeMap<String, String>,
    /// `--add-host NAME:ADDRESS` of the same.
    pub hosts: Vec<String>,
    /// Which builder was chosen (`builder:set selected`).
    pub builder: Builder,
    /// Which buildpacks were chosen, in their order (`buildpacks:add`); none for what fits.
    pub buildpacks: Vec<BuildpackReference>,
    /// The stack image to use instead of Slipway's own (`buildpacks:set-property stack`).
    pub stack: Option<String>,
}

/// What a builder is given.
#[derive(Debug)]
pub struct BuildOrder<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// Where submodules come from.
    pub submodules: &'a Submodules,
    /// The app's name.
    pub app_name: &'a AppName,
    /// The repository part of the image's name.
    pub image_repository: String,
    /// Its tag, which no other build has.
    pub image_tag: String,
    /// The app's properties.
    pub options: BuildOptions,
    /// The config vars, which a Dockerfile can mount as secrets by their names.
    pub config: &'a ConfigVars,
    /// Where progress goes.
    pub console: &'a Console,
    /// What its steps may take.
    pub limits: Limits,
    /// What containers need to get out of this host.
    pub surroundings: &'a Surroundings,
    /// The volume in which buildpacks keep what they need again; none where nothing is built.
    pub cache_volume: Option<String>,
    /// The image that runs now, from which the new one may share what is the same.
    pub previous: Option<&'a ImageId>,
    /// What earlier builds have found out.
    pub hints: &'a Hints,
    /// The directory of a buildpack that is tested: it takes its place among the bundled ones.
    pub tested: Option<&'a Path>,
    /// Ends the build, in the engine too.
    pub cancel: &'a CancellationToken,
}

/// What a build results in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The image.
    pub image: ImageId,
    /// TCP ports that it exposes, ascending.
    pub exposed_ports: Vec<u16>,
    /// Its process types.
    pub processes: BTreeMap<ProcessType, ProcessCommand>,
    /// What its `app.json` asks for.
    pub app_json: AppJson,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildStageError {
    /// The repository cannot be read, or lacks something.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A submodule cannot be had.
    #[error(transparent)]
    Submodule(Box<SubmoduleError>),
    /// The `.dockerignore` is not one.
    #[error(transparent)]
    Ignore(#[from] DockerIgnoreError),
    /// The `.slugignore` is not one.
    #[error(transparent)]
    SlugIgnore(#[from] SlugIgnoreError),
    /// The engine's build failed; its output has been shown.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The engine refused.
    #[error("the engine refused")]
    Engine(#[from] EngineError),
    /// The CHECKS file is not one.
    #[error(transparent)]
    Checks(#[from] ChecksError),
    /// A process of a step was killed for want of memory, and the step failed.
    #[error(
        "the build ran out of memory (limit {limit})\nLet it need less, or give it more: build-memory-bytes in slipway.toml, section [deploy]"
    )]
    OutOfMemory {
        /// What it was allowed.
        limit: ByteSize,
        /// How the step failed.
        source: BuildError,
    },
    /// The Procfile is not one.
    #[error(transparent)]
    Procfile(#[from] ProcfileError),
    /// The app.json is not one.
    #[error(transparent)]
    AppJson(#[from] AppJsonError),
    /// A file is not where the person said.
    #[error(
        "there is no {path} in the source\nSay where it is, or without a value look at its usual place: {}",
        hint(property, app_name)
    )]
    NoProcessFile {
        /// The app.
        app_name: AppName,
        /// The path that was set.
        path: String,
        /// The command and the property that set it.
        property: &'static str,
    },
    /// Nothing says what is to be run.
    #[error(
        "nothing says how the app is started\nAdd a Procfile with a line such as `web: ./server --port $PORT`"
    )]
    NoProcess,
    /// Buildpacks cannot build it.
    #[error(transparent)]
    Buildpacks(#[from] BuildpacksError),
    /// There is nothing that a builder knows.
    #[error(
        "no {looked_for} in {place}\nAdd a Dockerfile, or say where it is: builder-dockerfile:set {app_name} dockerfile-path PATH"
    )]
    NoDockerfile {
        /// The app.
        app_name: AppName,
        /// The file that was looked for.
        looked_for: String,
        /// The directory in which it was looked for.
        place: String,
    },
    /// The image is neither on the host nor in a registry.
    #[error("the image {reference} cannot be had: {message}\nCheck its name, or load it: git:load-image")]
    NoImage {
        /// As the person wrote it.
        reference: String,
        /// What the engine said.
        message: String,
    },
}

/// `ps:set blog procfile-path PATH` of `ps:set procfile-path`.
fn hint(property: &str, app_name: &AppName) -> String {
    let (command, key) = property.split_once(' ').unwrap_or((property, ""));
    format!("{command} {app_name} {key} [PATH]")
}

/// Passes a part's own lines of progress on to the console, until the part drops its end.
async fn relay(mut lines: mpsc::Receiver<String>, console: &Console) {
    while let Some(line) = lines.recv().await {
        console.detail(line).await;
    }
}

impl From<SubmoduleError> for BuildStageError {
    fn from(error: SubmoduleError) -> Self {
        Self::Submodule(Box::new(error))
    }
}

/// Builds a source with the builder that fits.
pub async fn build(order: &BuildOrder<'_>, source: &BuildSource) -> Result<Built, BuildStageError> {
    match source {
        BuildSource::Commit(snapshot) => {
            let snapshot = source::with_submodules(order, snapshot).await?;
            match choose(order, &snapshot).await? {
                Builder::Buildpacks => buildpacks::build(order, &snapshot).await,
                Builder::Dockerfile | Builder::Auto => dockerfile::build(order, &snapshot).await,
            }
        }
        BuildSource::Image { reference } => image::find(order, reference).await,
    }
}

/// As Dokku has it: a Dockerfile comes first, unless the source or a person says which buildpacks there should be.
pub async fn choose(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Builder, TreeError> {
    let options = &order.options;
    if options.builder != Builder::Auto {
        return Ok(options.builder);
    }
    let names_buildpacks = !options.buildpacks.is_empty()
        || plan::variable(order.config).is_some()
        || source::read(snapshot, options, buildpacks::LIST).await?.is_some();
    let dockerfile = options.dockerfile.as_deref().unwrap_or("Dockerfile");
    let has_dockerfile = source::read(snapshot, options, dockerfile).await?.is_some();
    // A path that a person has set and that is not there is to be told as such.
    let wants_dockerfile = has_dockerfile || options.dockerfile.is_some();
    Ok(if wants_dockerfile && !names_buildpacks { Builder::Dockerfile } else { Builder::Buildpacks })
}
