//! From a source to a folder that may become a plugin. Nothing of it has been run yet.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use futures_util::StreamExt;

use crate::clock;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::git::from_archive::{download, kind_of};
use crate::commands::plugin::blocking;
use crate::git::archive::{ArchiveKind, ArchiveLimits};
use crate::git::commit::{Author, CommitId};
use crate::git::context::ContextRequest;
use crate::git::fetch::RemoteUrl;
use crate::git::import::{Archive, ChannelReader, CommitRequest, Imported};
use crate::git::repositories::Repositories;
use crate::git::tree::Snapshot;
use crate::model::app_name::AppName;
use crate::model::plugin::PluginSource;
use crate::plugin::copy;

/// What a plugin may hold.
const LIMITS: ArchiveLimits = ArchiveLimits { max_files: 10_000, max_bytes: 64 << 20 };
/// The repository that things are fetched into, and the branch of it.
const SCRATCH: &str = "incoming";

/// Brings what a source says into the folder for what comes. The right to change plugins has to be held.
pub(super) async fn stage(
    context: &mut Context,
    source: &str,
    committish: Option<&str>,
) -> Result<PluginSource, CommandError> {
    let is_archive = [".tar.gz", ".tgz", ".tar", ".zip"].iter().any(|end| source.ends_with(end));
    match source {
        "-" | "--" => {
            let first = context.io.stdin.recv().await.unwrap_or_default();
            let kind = match first.as_ref() {
                [0x1f, 0x8b, ..] => ArchiveKind::TarGz,
                [b'P', b'K', ..] => ArchiveKind::Zip,
                _ => ArchiveKind::Tar,
            };
            let reader = io::Cursor::new(first).chain(ChannelReader::new(context.io.take_stdin()));
            archive(context, kind, Box::new(reader)).await?;
            Ok(PluginSource::Stdin)
        }
        path if path.starts_with('/') => folder(context, path).await,
        url if is_archive && url.starts_with("http") => {
            context.console().step(format!("Fetching {url}")).await;
            let reader = download(url.to_owned()).await?;
            archive(context, kind_of(url), reader).await?;
            Ok(PluginSource::Archive { url: url.to_owned() })
        }
        url => repository(context, url, committish).await,
    }
}

async fn folder(context: &Context, path: &str) -> Result<PluginSource, CommandError> {
    if !context.caller.is_host() {
        return Err(CommandError::user("A folder of the host can only be installed on the host itself")
            .hint("Send it instead: tar c -C FOLDER . | ssh HOST plugin:install --force -"));
    }
    let (from, to) = (PathBuf::from(path), context.app.plugins.places().incoming());
    let copied = blocking(move || copy::folder(&from, &to)).await?;
    copied.map_err(|error| CommandError::user(format!("{path} cannot be copied: {error}")))?;
    Ok(PluginSource::Folder { path: path.to_owned() })
}

async fn repository(
    context: &Context,
    url: &str,
    committish: Option<&str>,
) -> Result<PluginSource, CommandError> {
    let remote: RemoteUrl = url.parse().map_err(|error| {
        CommandError::user(error)
            .hint("Or the URL of an archive (.tar.gz, .tar, .zip), a folder of the host (/…), or - for standard input")
    })?;
    context.console().step(format!("Fetching {remote}")).await;
    let scratch = Scratch::make(context).await?;
    let fetched = scratch.repositories.fetch(&scratch.name, &remote, committish);
    let commit = tokio::select! {
        fetched = fetched => fetched.map_err(CommandError::user),
        () = context.io.client_gone.cancelled() => Err(CommandError::user("Nothing was installed")),
    };
    let result = match commit {
        Ok(commit) => unpack(context, &scratch, &commit).await.map(|()| commit),
        Err(error) => Err(error),
    };
    scratch.remove().await?;
    let committish = committish.map(str::to_owned);
    Ok(PluginSource::Git { url: url.to_owned(), committish, commit: result?.as_str().to_owned() })
}

async fn archive(
    context: &Context,
    kind: ArchiveKind,
    reader: Box<dyn Read + Send>,
) -> Result<(), CommandError> {
    let scratch = Scratch::make(context).await?;
    let author = Author {
        name: "slipway".to_owned(),
        email: "slipway@slipway.invalid".to_owned(),
        seconds: clock::unix_seconds(),
    };
    let request = CommitRequest { branch: "main".to_owned(), message: "A plugin".to_owned(), author };
    let archive = Archive { reader, kind, limits: LIMITS };
    let imported = scratch.repositories.commit_archive(&scratch.name, request, archive).await;
    let result = match imported {
        Ok(Imported::Commit(commit) | Imported::Unchanged(commit)) => {
            unpack(context, &scratch, &commit).await
        }
        Err(error) => Err(CommandError::user(error)),
    };
    scratch.remove().await?;
    result
}

/// A repository for one fetch.
struct Scratch {
    repositories: Repositories,
    name: AppName,
}

impl Scratch {
    async fn make(context: &Context) -> Result<Self, CommandError> {
        let repositories = Repositories::new(context.app.plugins.places().root());
        let name: AppName = SCRATCH.parse().map_err(CommandError::user)?;
        let scratch = Self { repositories, name };
        let directory = scratch.repositories.path(&scratch.name);
        let parent = directory.parent().unwrap_or(Path::new("/")).to_owned();
        let made = blocking(move || {
            copy::remove(&directory)?;
            std::fs::create_dir_all(parent)
        });
        made.await?.map_err(cannot_write)?;
        scratch.repositories.create(&scratch.name).await?;
        Ok(scratch)
    }

    async fn remove(self) -> Result<(), CommandError> {
        Ok(self.repositories.remove(&self.name).await?)
    }
}

/// Writes a commit's files into the folder for what comes.
async fn unpack(context: &Context, scratch: &Scratch, commit: &CommitId) -> Result<(), CommandError> {
    let snapshot = Snapshot::open(&scratch.repositories, &scratch.name, commit.object(), None).await?;
    let mut stream = snapshot.context(ContextRequest::default()).stream;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() as u64 > LIMITS.max_bytes {
            return Err(CommandError::user(format!("It has more than {} MiB", LIMITS.max_bytes >> 20))
                .hint("A plugin is a folder of executables; have its install fetch what is large"));
        }
    }
    let to = context.app.plugins.places().incoming();
    blocking(move || copy::unpack(bytes.as_slice(), &to)).await?.map_err(cannot_write)
}

fn cannot_write(error: io::Error) -> CommandError {
    CommandError::internal("The plugin's files cannot be written", error)
}
