//! Why a deploy did not happen, and what a person is told of it.

use std::time::Duration;

use crate::build::BuildStageError;
use crate::command_error::CommandError;
use crate::deploy::env::{self, MissingVar};
use crate::docker::build::error::BuildError;
use crate::docker::error::EngineError;
use crate::git::error::GitError;
use crate::hooks::Veto;
use crate::model::app_name::AppName;
use crate::model::byte_size::ByteSize;
use crate::run::directories::DirectoryError;
use crate::run::exclusive::TooManyHolders;
use crate::run::options::OptionsError;
use crate::run::start::StartError;
use crate::store::StoreError;

/// A task around a release that ended badly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {task} task {failure}: {command}")]
pub struct TaskFailure {
    /// Which one.
    pub task: &'static str,
    /// What was run, as the person wrote it.
    pub command: String,
    /// What became of it.
    pub failure: String,
}

/// A deploy's failure. In every case what ran before still runs.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Somebody cancelled it, or its client went away.
    #[error("the deploy was cancelled")]
    Cancelled,
    /// The app was destroyed while the deploy waited.
    #[error("the app does not exist any more")]
    Gone,
    /// The app has a lock.
    #[error("{0} currently has a deploy lock in place. Exiting...")]
    Locked(AppName),
    /// There is nothing to run yet.
    #[error("App {0} has not been deployed")]
    NotDeployed(AppName),
    /// The build took too long.
    #[error("the build took longer than {} s", .0.as_secs())]
    TooLong(Duration),
    /// The disk is too full to begin.
    #[error("only {free} MiB are free in {place}, a deploy needs {needed}")]
    DiskFull {
        /// The directory.
        place: String,
        /// MiB free.
        free: u64,
        /// MiB needed.
        needed: u64,
        /// What the builder's cache takes, which is the first that can go.
        cache: ByteSize,
    },
    /// There is no image.
    #[error(transparent)]
    Build(BuildStageError),
    /// More instances are wanted than may hold the app's storage.
    #[error(transparent)]
    TooManyHolders(#[from] TooManyHolders),
    /// The app's settings ask for what a container cannot have.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// app.json wants config vars that nobody set.
    #[error("app.json requires config vars that are not set: {}", env::list(missing))]
    MissingVars {
        /// The app.
        app_name: AppName,
        /// All of them.
        missing: Vec<MissingVar>,
    },
    /// A script cannot be split into words.
    #[error("a quote or a backslash is left open in the script of app.json: {0}")]
    OpenQuote(String),
    /// A plugin said no.
    #[error(transparent)]
    Veto(#[from] Veto),
    /// A task before the switch failed. Its output has been shown.
    #[error(transparent)]
    Task(TaskFailure),
    /// A task could not be run.
    #[error("the {task} task could not be run")]
    TaskEngine {
        /// Which one.
        task: &'static str,
        /// Why.
        source: EngineError,
    },
    /// The new instances did not come up.
    #[error(transparent)]
    Start(StartError),
    /// Requests cannot be made to wait.
    #[error("the routes cannot be changed just now")]
    Routes,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Whose fault a failure is, which says how soon it is worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The app's: it does not come up. Only a change of it helps.
    App,
    /// The host's: the engine, the disk, the network. It may be over any moment.
    Host,
    /// The image is gone from the engine: it has to be made again.
    NoImage,
}

impl DeployError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Start(StartError::Engine { source, .. }) => engine_fault(source),
            Self::Start(
                StartError::Address(_) | StartError::Store(_) | StartError::List(_) | StartError::Options(_),
            )
            | Self::Options(_)
            | Self::Routes
            | Self::Build(BuildStageError::Engine(_) | BuildStageError::Build(BuildError::Engine(_)))
            | Self::DiskFull { .. }
            | Self::Engine(_)
            | Self::Store(_) => Fault::Host,
            _ => Fault::App,
        }
    }
}

/// What the engine says when it cannot make or start an instance.
fn engine_fault(error: &EngineError) -> Fault {
    match error {
        EngineError::NotFound(message) if message.contains("No such image") => Fault::NoImage,
        // A command that is not in the image, a file that cannot be executed: what runc says of a process.
        EngineError::Refused { status: 400, message }
            if message.contains("OCI runtime") || message.contains("exec") =>
        {
            Fault::App
        }
        _ => Fault::Host,
    }
}

impl From<BuildStageError> for DeployError {
    fn from(error: BuildStageError) -> Self {
        match error {
            BuildStageError::Build(BuildError::Cancelled) => Self::Cancelled,
            other => Self::Build(other),
        }
    }
}

impl From<StartError> for DeployError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Cancelled => Self::Cancelled,
            other => Self::Start(other),
        }
    }
}

impl From<DeployError> for CommandError {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Cancelled => Self::user("The deploy was cancelled; what ran before still runs"),
            DeployError::Locked(name) => {
                let message = format!("{name} currently has a deploy lock in place. Exiting...");
                Self::user(message).hint("Run 'apps:unlock' to release the existing deploy lock")
            }
            DeployError::NotDeployed(name) => Self::not_deployed(&name),
            DeployError::TooLong(_) => {
                Self::user(error).hint("Give it longer: build-seconds in slipway.toml, section [deploy]")
            }
            DeployError::DiskFull { cache, .. } => Self::user(&error)
                .hint(format!("See what takes it: disk:report; the engine's build cache alone has {cache}"))
                .hint("Free some: cleanup, or on the host: docker builder prune; or lower min-free-bytes in slipway.toml"),
            DeployError::MissingVars { ref app_name, ref missing } => {
                let mend = env::mend(app_name, missing);
                Self::user(error).hint(mend)
            }
            DeployError::Task(failure) => Self::user(failure),
            DeployError::Veto(veto) => vetoed(&veto),
            DeployError::TaskEngine { task, source } => {
                Self::internal(format!("The {task} task could not be run"), source)
                    .hint("A script needs /bin/sh in the image, a Procfile's task the program that it names")
            }
            DeployError::Build(
                BuildStageError::Engine(error) | BuildStageError::Build(BuildError::Engine(error)),
            ) => error.into(),
            DeployError::Routes => Self::user(error).hint("Try again; the server's log says why"),
            DeployError::Git(error) => error.into(),
            DeployError::Start(StartError::Engine { instance, source }) => {
                Self::internal(format!("{instance} could not be started"), source)
            }
            DeployError::TooManyHolders(error) => error.into(),
            DeployError::Options(error) | DeployError::Start(StartError::Options(error)) => error.into(),
            DeployError::Start(StartError::List(error)) | DeployError::Engine(error) => error.into(),
            DeployError::Store(error) => error.into(),
            other => Self::user(other),
        }
    }
}

/// What a person is told of a plugin's no.
pub fn vetoed(veto: &Veto) -> CommandError {
    CommandError::user(veto).hint(format!("See plugin:report {}", veto.plugin))
}

impl From<OptionsError> for CommandError {
    fn from(error: OptionsError) -> Self {
        match error {
            OptionsError::Store(error) => error.into(),
            OptionsError::Directory(error) => error.into(),
            other => Self::user(other).hint("See what is set: docker-options:report, resource:report"),
        }
    }
}

impl From<DirectoryError> for CommandError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Outside { .. } => Self::user(error).hint(
                "Move it there, or let storage: storage:create NAME; the host's admin may set storage-root in slipway.toml",
            ),
            DirectoryError::Missing(_) => Self::user(error).hint("Make it: storage:ensure-directory NAME"),
            DirectoryError::Link(_) | DirectoryError::NotADirectory(_) => {
                Self::user(error).hint("Put a directory in its place, or mount another: storage:mount")
            }
            DirectoryError::System { path, source } => {
                Self::internal(format!("{} cannot be used", path.display()), source)
            }
        }
    }
}

impl From<TooManyHolders> for CommandError {
    fn from(error: TooManyHolders) -> Self {
        Self::user(error).hint(
            "Let one instance have it: ps:scale APP web=1, or storage:mount --process-type web, or mount it without --exclusive",
        )
    }
}
