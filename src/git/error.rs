//! What goes wrong with a repository.

use std::io;
use std::path::PathBuf;

use crate::process::ProcessError;

/// Why something could not be done with a repository.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is a repository of that name already.
    #[error("a repository of that name exists already")]
    Exists,
    /// There is none.
    #[error("there is no such repository")]
    Missing,
    /// The file system said no.
    #[error("cannot {action} {}", path.display())]
    Files {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// libgit2 said no.
    #[error("cannot {action}")]
    Library {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: git2::Error,
    },
    /// `git` did not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// `git` ran and failed.
    #[error("git {action} failed: {message}")]
    Command {
        /// Its subcommand.
        action: &'static str,
        /// Its last words.
        message: String,
    },
    /// A name that no branch can have.
    #[error("{0} is not the name of a branch")]
    BranchName(String),
    /// The work was on another thread, which is gone: the server is shutting down, or there is a bug.
    #[error("the work on the repository was interrupted")]
    Interrupted,
}

impl GitError {
    /// Makes a function that turns libgit2's errors into this one.
    pub(super) fn library(action: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Library { action, source }
    }

    /// Makes a function that turns the file system's errors into this one.
    pub(super) fn files(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Files { action, path, source }
    }
}

/// Runs work that blocks, such as libgit2's, on a thread that may.
pub(super) async fn blocking<T: Send + 'static, E: From<GitError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "work on a repository was interrupted");
            Err(GitError::Interrupted.into())
        }
    }
}
