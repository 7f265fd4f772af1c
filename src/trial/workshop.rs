//! Where a buildpack is tried: a name in the engine that nobody else has, and a place for sources.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::build::buildpacks::hints::Hints;
use crate::docker::Engine;
use crate::docker::container::ContainerSpec;
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerLabels;
use crate::git::archive::{ArchiveKind, ArchiveLimits};
use crate::git::commit::Author;
use crate::git::error::GitError;
use crate::git::import::{Archive, CommitRequest, ImportError, Imported};
use crate::git::repositories::Repositories;
use crate::git::submodules::Submodules;
use crate::git::tree::Snapshot;
use crate::model::app_name::AppName;
use crate::model::release::{ImageId, ProcessCommand};
use crate::model::surroundings::Surroundings;
use crate::run::surroundings::{HostSurroundings, Wanted};
use crate::settings::Settings;
use crate::trial::TrialError;
use crate::trial::attempt::{self, Attempt};
use crate::trial::check;
use crate::trial::fixture::Fixture;
use crate::trial::report::Found;

/// How long the engine may take to remove containers.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether it has.
const PAUSE: Duration = Duration::from_millis(50);

/// Everything that trying a buildpack takes.
#[derive(Debug)]
pub struct Workshop {
    /// The engine, under a name of this process's own.
    pub engine: Engine,
    /// The buildpack.
    pub buildpack: PathBuf,
    /// Its name.
    pub name: String,
    /// What containers need to get out of this host.
    pub surroundings: Surroundings,
    /// Where submodules would come from.
    pub submodules: Submodules,
    /// What earlier builds have found out.
    pub hints: Hints,
    /// Ends everything.
    pub cancel: CancellationToken,
    repositories: Repositories,
    /// Unique to this process, for names that all of the engine's users share.
    word: String,
    _directory: TempDir,
}

impl Workshop {
    /// Makes it; the engine has to answer.
    pub async fn open(
        buildpack: &Path,
        socket: Option<PathBuf>,
        cancel: CancellationToken,
    ) -> Result<Self, TrialError> {
        let name = buildpack.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let word = format!("bptest{:08x}", rand::random::<u32>());
        let owner = word.parse().map_err(|_| TrialError::Name(buildpack.to_owned()))?;
        let engine = Engine::connect(&socket.unwrap_or_else(|| Settings::default().docker), owner);
        engine.version().await?;
        engine.ensure_network().await?;
        let directory = tempfile::tempdir()?;
        let repositories = Repositories::new(directory.path());
        repositories.prepare(&std::env::current_exe()?).await.map_err(git)?;
        let surroundings = HostSurroundings::new(Wanted::default(), directory.path().join("certificates"));
        Ok(Self {
            engine,
            buildpack: buildpack.to_owned(),
            name,
            surroundings: surroundings.current().await,
            submodules: Submodules::new(repositories.clone()),
            hints: Hints::default(),
            cancel,
            repositories,
            word,
            _directory: directory,
        })
    }

    /// Tries the buildpack on a fixture and says what differs from what is expected.
    pub async fn try_out(&self, fixture: &Fixture, verbose: bool) -> Result<Found, TrialError> {
        let app_name: AppName = format!("{}-{:08x}", self.word, rand::random::<u32>())
            .parse()
            .map_err(|_| TrialError::Name(fixture.source.clone()))?;
        let snapshot = self.commit(&app_name, fixture).await?;
        let cache = format!("{}-cache-{app_name}", self.engine.network_name());
        let attempt = Attempt {
            workshop: self,
            fixture,
            app_name: &app_name,
            snapshot: &snapshot,
            cache: &cache,
            verbose,
        };
        let found = self.compare(attempt).await;
        // Those that were let go of may still be there, and hold the volume.
        self.remove_containers().await?;
        self.engine.remove_volume(&cache).await?;
        self.repositories.remove(&app_name).await.map_err(git)?;
        found
    }

    async fn compare(&self, attempt: Attempt<'_>) -> Result<Found, TrialError> {
        let expected = &attempt.fixture.expectation;
        let (outcome, image) = attempt::build(attempt, None).await;
        let mut differences = check::build(expected, &outcome);
        let mut output = outcome.output;
        if let Some(image) = &image {
            differences.extend(self.files(attempt, image).await?);
            for run in &expected.run {
                let (status, output) = attempt::run(attempt, image, &run.command).await?;
                differences.extend(check::run(run, status, &output));
            }
        } else if expected.detect && expected.status == 0 && differences.is_empty() {
            differences.push("there is no image".to_owned());
        }
        if let Some(again) = expected.again.as_ref().filter(|_| outcome.detected) {
            let (second, _) = attempt::build(attempt, image.as_ref()).await;
            differences.extend(check::status("the second build", again.status, second.status));
            differences.extend(check::texts(
                "the output of the second build",
                &again.output,
                &again.not_output,
                &second.output,
            ));
            output.push_str(&second.output);
        }
        Ok(Found { differences, output })
    }

    /// Files that are missing in the image, and those that should be.
    async fn files(&self, attempt: Attempt<'_>, image: &ImageId) -> Result<Vec<String>, EngineError> {
        let expected = &attempt.fixture.expectation;
        let labels = ContainerLabels::of_build(attempt.app_name);
        let name = format!("{}.files", attempt.app_name);
        let command = ProcessCommand::Arguments(vec!["never started".to_owned()]);
        let spec = ContainerSpec { command, ..ContainerSpec::new(name, image.clone(), labels) };
        let container = self.engine.create(&spec).await?;
        let wanted = expected.files.iter().map(|path| (path, true));
        let mut differences = Vec::new();
        for (path, is_wanted) in wanted.chain(expected.no_files.iter().map(|path| (path, false))) {
            let mut found = Box::pin(self.engine.download(&container, &format!("/app/{path}")).await?);
            let is_there = match found.next().await {
                Some(Err(error)) if error.is_not_found() => false,
                Some(Err(error)) => return Err(error),
                Some(Ok(_)) | None => true,
            };
            match (is_wanted, is_there) {
                (true, false) => differences.push(format!("there is no /app/{path}")),
                (false, true) => differences.push(format!("there is /app/{path}, which should not be")),
                _ => {}
            }
        }
        self.engine.remove(&container).await?;
        Ok(differences)
    }

    /// A commit of the fixture's source, since that is what builds begin with.
    async fn commit(&self, app_name: &AppName, fixture: &Fixture) -> Result<Snapshot, TrialError> {
        let source = |error: String| TrialError::Source { place: fixture.source.clone(), error };
        self.repositories.create(app_name).await.map_err(git)?;
        let mut archive = tar::Builder::new(Vec::new());
        archive.follow_symlinks(false);
        // One directory that holds everything is taken off again, as in archives of forges.
        archive.append_dir_all("source", &fixture.source).map_err(|error| source(error.to_string()))?;
        let bytes = archive.into_inner()?;
        let request = CommitRequest {
            branch: "main".to_owned(),
            message: fixture.name.clone(),
            author: Author { name: "Slipway".to_owned(), email: "slipway@localhost".to_owned(), seconds: 0 },
        };
        let archive = Archive {
            reader: Box::new(Cursor::new(bytes)),
            kind: ArchiveKind::Tar,
            limits: ArchiveLimits { max_files: 100_000, ..ArchiveLimits::default() },
        };
        let imported = self.repositories.commit_archive(app_name, request, archive).await;
        let commit = match imported {
            Ok(Imported::Commit(commit) | Imported::Unchanged(commit)) => commit,
            Err(ImportError::Git(error)) => return Err(git(error)),
            Err(ImportError::Archive(error)) => return Err(source(error.to_string())),
        };
        let snapshot = Snapshot::open(&self.repositories, app_name, commit.object(), None).await;
        snapshot.map_err(|error| source(error.to_string()))
    }

    /// Takes away what was made, but for the stack images.
    pub async fn close(self) -> Result<(), TrialError> {
        self.remove_containers().await?;
        for volume in self.engine.own_volumes().await? {
            self.engine.remove_volume(&volume).await?;
        }
        // Newest first: others stand on older ones.
        let mut images = self.engine.list_images().await?;
        images.sort_by_key(|image| std::cmp::Reverse(image.created_at));
        for image in images {
            let names = if image.nameless { vec![image.id.0] } else { image.tags };
            for name in names {
                self.engine.remove_image(&name).await?;
            }
        }
        self.engine.remove_network().await?;
        Ok(())
    }

    /// Removes all containers, and waits for those that somebody removes already.
    async fn remove_containers(&self) -> Result<(), EngineError> {
        let removing = async {
            loop {
                let containers = self.engine.survey().await?;
                if containers.is_empty() {
                    return Ok(());
                }
                for container in containers {
                    self.engine.remove(&container.id).await?;
                }
                sleep(PAUSE).await;
            }
        };
        // What is still there then is told by what cannot be removed with it.
        timeout(PATIENCE, removing).await.unwrap_or(Ok(()))
    }
}

fn git(error: GitError) -> TrialError {
    TrialError::Io(std::io::Error::other(error))
}
