//! The bare repositories of the apps: where they are, and their making, moving and removing.
//!
//! A repository is found by an [`AppName`] and by nothing else, so no path that a person writes can lead anywhere.
//! Names that begin with a dot are no app names: they are used for what is being made or removed.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Repository, RepositoryInitOptions};
use tempfile::TempDir;

use crate::git::command::{git, run};
use crate::git::error::{GitError, blocking};
use crate::git::interrupted;
use crate::model::app_name::AppName;

/// What the names of directories begin with that are being made or removed. No app's name begins so.
const SCRATCH_PREFIX: &str = ".new-";
/// How long copying a repository may take.
const COPY_TIME: Duration = Duration::from_secs(600);
/// How long collecting a repository's garbage may take.
const GARBAGE_TIME: Duration = Duration::from_secs(3600);

/// The directories that hold the repositories, below the server's root.
#[derive(Clone, Debug)]
pub struct Repositories {
    pub(super) root: PathBuf,
    directory: PathBuf,
    hooks: PathBuf,
    submodules: PathBuf,
}

impl Repositories {
    /// The repositories of the server whose state lies in `root`. Touches nothing.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            directory: root.join("repos"),
            hooks: root.join("hooks"),
            submodules: root.join("cache").join("submodules"),
        }
    }

    /// Makes the directories, points the hook to the server's binary, removes what a crash left half done.
    ///
    /// The binary is called as `pre-receive`, which is how it learns what it is. To be called once, at start,
    /// before anything else uses the repositories.
    pub async fn prepare(&self, binary: &Path) -> Result<(), GitError> {
        let (repositories, binary) = (self.clone(), binary.to_owned());
        blocking(move || {
            for directory in [&repositories.directory, &repositories.hooks, &repositories.submodules] {
                fs::create_dir_all(directory).map_err(GitError::files("make", directory))?;
            }
            remove_leftovers(&repositories.directory)?;
            remove_leftovers(&repositories.submodules)?;
            interrupted::remove_all(&repositories.directory)?;
            repositories.install_hook(&binary)
        })
        .await
    }

    /// Completes a renaming that was cut off between the repository and the record: one app has no repository, and
    /// one repository has no app. To be called once, after [`Repositories::prepare`].
    pub async fn reunite(&self, apps: Vec<AppName>) -> Result<(), GitError> {
        let repositories = self.clone();
        blocking(move || {
            let expected: Vec<PathBuf> = apps.iter().map(|app| repositories.path(app)).collect();
            interrupted::reunite(&repositories.directory, &expected)
        })
        .await
    }

    /// The repository of an app, which may not exist.
    pub fn path(&self, app: &AppName) -> PathBuf {
        self.directory.join(format!("{app}.git"))
    }

    /// The directory that holds the one hook.
    pub fn hooks(&self) -> &Path {
        &self.hooks
    }

    /// The directory that holds the fetched submodules of all apps.
    pub(super) fn submodules(&self) -> &Path {
        &self.submodules
    }

    /// Makes an empty repository whose HEAD is `main`: wholly, or not at all.
    pub async fn create(&self, app: &AppName) -> Result<(), GitError> {
        let path = self.path(app);
        blocking(move || make_bare(&path)).await
    }

    /// Whether an app has a repository.
    pub async fn exists(&self, app: &AppName) -> bool {
        tokio::fs::try_exists(self.path(app).join("HEAD")).await.unwrap_or(false)
    }

    /// Removes a repository, if there is one. It is gone for everybody at once, before its files are.
    pub async fn remove(&self, app: &AppName) -> Result<(), GitError> {
        let path = self.path(app);
        blocking(move || {
            let scratch = scratch_beside(&path)?;
            match fs::rename(&path, scratch.path().join("repository.git")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                result => result.map_err(GitError::files("remove", &path))?,
            }
            let gone = scratch.path().to_owned();
            scratch.close().map_err(GitError::files("remove", gone))
        })
        .await
    }

    /// Gives a repository to another name, which must be free.
    pub async fn rename(&self, from: &AppName, to: &AppName) -> Result<(), GitError> {
        let (old, new) = (self.path(from), self.path(to));
        blocking(move || rename_unless_exists(&old, &new)).await
    }

    /// Brings the branches and tags of one repository into another one, which is empty.
    pub async fn copy_all(&self, from: &AppName, to: &AppName) -> Result<(), GitError> {
        let program = git(&self.path(to))
            .variable("GIT_ALLOW_PROTOCOL", "file")
            .arguments(["fetch", "--quiet", "--no-write-fetch-head"])
            .argument(self.path(from))
            .arguments(["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]);
        run(&program, "copy the repository", COPY_TIME).await.map(drop)
    }

    /// Packs a repository's objects and drops what nothing refers to and is older than two weeks.
    pub async fn collect_garbage(&self, app: &AppName) -> Result<(), GitError> {
        self.run_gc(app, &["gc"]).await
    }

    /// The same, if so many objects or packs have come together that it is worth it: cheap to ask after every push.
    pub async fn collect_garbage_if_much(&self, app: &AppName) -> Result<(), GitError> {
        // git's own defaults, which are turned off for every other command.
        self.run_gc(app, &["-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto"]).await
    }

    async fn run_gc(&self, app: &AppName, arguments: &[&str]) -> Result<(), GitError> {
        // Two weeks is git's own default: a push under way has objects that nothing refers to yet.
        let program =
            git(&self.path(app)).arguments(arguments.to_vec()).arguments(["--quiet", "--prune=2.weeks.ago"]);
        run(&program, "gc", GARBAGE_TIME).await.map(drop)
    }

    pub(super) fn open(&self, app: &AppName) -> Result<Repository, GitError> {
        open_bare(&self.path(app))
    }

    fn install_hook(&self, binary: &Path) -> Result<(), GitError> {
        let hook = self.hooks.join("pre-receive");
        let scratch = tempfile::tempdir_in(&self.hooks).map_err(GitError::files("write in", &self.hooks))?;
        let link = scratch.path().join("pre-receive");
        symlink(binary, &link).map_err(GitError::files("make", &link))?;
        // A rename replaces the old link at once: a push that runs meanwhile finds the one or the other.
        fs::rename(&link, &hook).map_err(GitError::files("make", &hook))
    }
}

fn remove_leftovers(directory: &Path) -> Result<(), GitError> {
    for entry in fs::read_dir(directory).map_err(GitError::files("read", directory))? {
        let entry = entry.map_err(GitError::files("read", directory))?;
        if entry.file_name().as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()) {
            fs::remove_dir_all(entry.path()).map_err(GitError::files("remove", entry.path()))?;
        }
    }
    Ok(())
}

/// Opens a repository by its very path: nothing is looked for in directories above it.
pub(super) fn open_bare(path: &Path) -> Result<Repository, GitError> {
    Repository::open_bare(path).map_err(|source| match source.code() {
        git2::ErrorCode::NotFound => GitError::Missing,
        _ => GitError::Library { action: "open the repository", source },
    })
}

/// Makes an empty bare repository at a path that is free, wholly or not at all.
pub(super) fn make_bare(path: &Path) -> Result<(), GitError> {
    let scratch = scratch_beside(path)?;
    init_bare(scratch.path())?;
    // Two that make the same repository at once: the second finds a directory that is not empty.
    rename_unless_exists(scratch.path(), path)?;
    // It has another name now; there is nothing left to remove.
    drop(scratch.keep());
    Ok(())
}

/// A new directory beside a path, on the same file system, that goes away by itself.
pub(super) fn scratch_beside(path: &Path) -> Result<TempDir, GitError> {
    let parent = path.parent().unwrap_or(path);
    let scratch = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempdir_in(parent);
    scratch.map_err(GitError::files("make a directory in", parent))
}

/// Makes a bare repository without templates, which the host's git could bring hooks in.
pub(super) fn init_bare(path: &Path) -> Result<Repository, GitError> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head("main");
    Repository::init_opts(path, &options).map_err(GitError::library("make a repository"))
}

fn rename_unless_exists(from: &Path, to: &Path) -> Result<(), GitError> {
    match fs::rename(from, to).map_err(|error| (error.kind(), error)) {
        Ok(()) => Ok(()),
        Err((io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists, _)) => Err(GitError::Exists),
        Err((io::ErrorKind::NotFound, _)) => Err(GitError::Missing),
        Err((_, error)) => Err(GitError::files("rename", from)(error)),
    }
}
