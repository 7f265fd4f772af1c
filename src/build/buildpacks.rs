//! Building by buildpacks: detect, compile and release as Heroku's Buildpack API has them, in a container of their own.
//!
//! The source goes into a container of the build image; what `bin/compile` makes of `/app` is put on the run image. Where
//! what was detected asks for Debian packages, it is done again in a container whose image has them; what that image is
//! is remembered, so that the next build begins there.

pub mod ask;
mod bundle;
mod container;
mod disk;
pub mod hints;
pub mod network;
mod packages;
pub mod plan;
mod release_file;
mod scratch;
mod slug;
pub mod stack;
pub mod under_way;

use std::collections::BTreeMap;

use crate::build::buildpacks::container::{Ended, Order};
use crate::build::buildpacks::hints::Hint;
use crate::build::buildpacks::plan::Plan;
use crate::build::buildpacks::release_file::ReleaseFile;
use crate::build::buildpacks::scratch::Scratch;
use crate::build::process_files::{self, ProcessFiles};
use crate::build::{BuildOrder, BuildStageError, Built, source};
use crate::docker::error::EngineError;
use crate::formats::aptfile::AptfileError;
use crate::git::tree::Snapshot;
use crate::model::app_name::AppName;
use crate::model::buildpack::BuildpackError;
use crate::model::byte_size::ByteSize;
use crate::model::process_type::ProcessType;
use crate::model::release::ImageId;

/// The file in which a source names its buildpacks, a line each.
pub const LIST: &str = ".buildpacks";

/// Why buildpacks made no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildpacksError {
    /// A name in the source that is no buildpack.
    #[error("{place}: {error}")]
    Reference {
        /// Where it stands.
        place: &'static str,
        /// What is wrong with it.
        error: BuildpackError,
    },
    /// A directory of the source that is not there.
    #[error(
        "there is no buildpack ./{0} in the source: it has no bin/compile\nCheck the path, and that it is committed"
    )]
    NoLocal(String),
    /// None fits.
    #[error(
        "no buildpack fits this source\n{0}\nAdd a Dockerfile or what one of these looks for, or choose a buildpack: buildpacks:add"
    )]
    NotDetected(String),
    /// A chosen one says that the source is not its kind.
    #[error(
        "a chosen buildpack does not fit the source, as said above\nSee which do: buildpacks:detect; choose others: buildpacks:set"
    )]
    NotFit,
    /// One cannot be had, or is none; it has been said why.
    #[error("a buildpack cannot be used, as said above\nCheck what was chosen: buildpacks:list")]
    Unusable,
    /// `bin/compile` failed.
    #[error("the build failed with exit code {0}\nWhat failed stands above; mend it and push again")]
    Failed(i64),
    /// A process was killed for want of memory.
    #[error(
        "the build ran out of memory (limit {0})\nLet it need less, or give it more: build-memory-bytes in slipway.toml, section [deploy]"
    )]
    OutOfMemory(ByteSize),
    /// A process could not be started: there were too many.
    #[error(
        "the build had as many processes as it may have ({0}), and then could not start another\nLet it start fewer (make -j2, for example), or give it more: build-pids in slipway.toml, section [deploy]"
    )]
    OutOfProcesses(u32),
    /// It wrote too much.
    #[error(
        "the build was ended: its files and the app's cache take more than {limit}\nEmpty the cache if that is it (repo:purge-cache {app_name}), or allow more: build-disk-bytes in slipway.toml, section [deploy]"
    )]
    OutOfDisk {
        /// The app.
        app_name: AppName,
        /// What it was allowed.
        limit: ByteSize,
    },
    /// The build image lacks what closes a build off from its host.
    #[error(
        "the stack's build image {0} lacks what keeps a build apart from the host, as said above\nAdd the packages to it, or take another: buildpacks:set-property stack"
    )]
    UnfitStack(ImageId),
    /// A Debian package cannot be had.
    #[error(
        "the Debian packages cannot be installed: {0}; apt says above why\nCheck their names at https://packages.debian.org/bookworm, and give no version where any will do"
    )]
    Packages(String),
    /// A line of the Aptfile is no package.
    #[error(transparent)]
    Aptfile(#[from] AptfileError),
    /// `bin/release` or `bin/packages` printed something else.
    #[error(
        "a buildpack's {file} gave what cannot be used: {reason}\nTell whoever maintains the buildpack, or choose another: buildpacks:set"
    )]
    Output {
        /// The program.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The stack cannot be made.
    #[error("the stack image cannot be made: {0}\nSee what went wrong and try again: stack:rebuild")]
    Stack(String),
    /// A newer base cannot be had.
    #[error(
        "{0} cannot be had from its registry: {1}\nWithout --pull the base that is there is used, with newer packages on it"
    )]
    NoBase(&'static str, String),
    /// An image that somebody chose as the stack.
    #[error(
        "the stack {0} is neither on this host nor in a registry\nCheck its name, or go back to Slipway's own: buildpacks:set-property APP stack"
    )]
    NoStack(String),
}

/// What buildpacks have made.
#[derive(Debug)]
pub struct Made {
    /// The image and what is run of it.
    pub built: Built,
    /// What `bin/release` proposed to run, of all buildpacks together.
    pub proposed: BTreeMap<ProcessType, String>,
}

/// Builds the image.
pub async fn build(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Built, BuildStageError> {
    Ok(make(order, snapshot).await?.built)
}

/// Builds the image, and says what the buildpacks themselves said.
pub async fn make(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Made, BuildStageError> {
    let contents = source::process_files(snapshot, &order.options).await?;
    process_files::check_paths(order, &contents)?;
    let plan = Plan::of(order, snapshot).await?;
    order.console.step(format!("Building {} from buildpacks", order.app_name)).await;
    if let Some(warning) = &order.surroundings.warning {
        order.console.warn(warning).await;
    }
    let stack = stack::ensure(order).await?;
    let mut hint = match order.hints.get(&order.image_repository, &stack) {
        Some(hint) if order.engine.image_facts(&hint.build.name.0).await?.is_some() => hint,
        _ => Hint::new(&stack),
    };
    let container = loop {
        let ended = container::run(Order { order, snapshot, plan: &plan, hint: &hint }).await?;
        match ended {
            Ended::Built(container) => break container,
            // It is no plan that only asks.
            Ended::Asked(_) => return Err(BuildpacksError::Unusable.into()),
            Ended::NeedsPackages { detected, wishes } => {
                // A second time would be for ever.
                if hint.detected == detected {
                    let reason = "it wants other packages each time".to_owned();
                    return Err(BuildpacksError::Output { file: "bin/packages", reason }.into());
                }
                hint = packages::add(order, &stack, detected, &wishes).await?;
            }
        }
    };
    let made = finish(order, contents, &hint, &container).await;
    container.remove_later();
    let made = made?;
    order.hints.put(&order.image_repository, hint);
    Ok(made)
}

/// Makes the image of what was compiled.
async fn finish(
    order: &BuildOrder<'_>,
    mut contents: process_files::Contents,
    hint: &Hint,
    container: &Scratch,
) -> Result<Made, BuildStageError> {
    container.show_steps(order).await?;
    let release = ReleaseFile::merge(container.outputs("release").await?)?;
    if let Some(addons) = release.addons_note() {
        order.console.warn(addons).await;
    }
    if contents.procfile.is_none() {
        // A buildpack may have written one.
        let path = format!("/app/{}", process_files::procfile_path(&order.options));
        contents.procfile = container.file(&path).await?;
    }
    let ReleaseFile { processes: proposed, config, .. } = release;
    let ProcessFiles { processes, app_json } =
        process_files::read_lines(order, contents, proposed.clone()).await?;
    let image = slug::make(order, hint, container, config).await?;
    let facts = order.engine.image_facts(&image.0).await?;
    let gone = || EngineError::NotFound(format!("the image {image} is gone"));
    let exposed_ports = facts.ok_or_else(gone)?.exposed_tcp_ports;
    Ok(Made { built: Built { image, exposed_ports, processes, app_json }, proposed })
}
