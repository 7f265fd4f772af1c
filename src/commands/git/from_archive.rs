//! `git:from-archive`.

use std::io::{self, Read};

use clap::Args;

use crate::build::BuildSource;
use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::git::turn::take_turn;
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::error::DeployError;
use crate::deploy::ticket::Ticket;
use crate::deploy::{self, Order, Work};
use crate::git::archive::{ArchiveKind, ArchiveLimits};
use crate::git::commit::Author;
use crate::git::import::{Archive, ChannelReader, CommitRequest, Imported};
use crate::git::tree::Snapshot;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// How much an archive may hold, as Dokku has it.
const LIMITS: ArchiveLimits = ArchiveLimits { max_files: 10_000, max_bytes: 1 << 30 };

/// Deploys the files of an archive, from a URL or from standard input
#[derive(Debug, Args)]
pub struct FromArchive {
    /// tar, tar.gz or zip; told from the URL's end if not given, else tar.gz
    #[arg(long)]
    archive_type: Option<ArchiveKind>,
    /// The app
    app: String,
    /// http:// or https://, or `--` for standard input
    #[arg(allow_hyphen_values = true, default_value = "--")]
    url: String,
}

impl Command for FromArchive {
    const NAME: &'static str = "git:from-archive";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let kind = self.archive_type.unwrap_or_else(|| kind_of(&self.url));
        let reader: Box<dyn Read + Send> = match self.url.as_str() {
            "--" | "-" => Box::new(ChannelReader::new(context.io.take_stdin())),
            url => {
                context.console().step(format!("Fetching {url}")).await;
                download(url.to_owned()).await?
            }
        };
        let branch = branch(&context, &record).await?;
        let author = author(&context);
        let message = format!("Import {}", if self.url.starts_with('-') { "an archive" } else { &self.url });
        let request = CommitRequest { branch: branch.clone(), message, author };
        let archive = Archive { reader, kind, limits: LIMITS };
        let imported = context.app.repositories.commit_archive(&record.name, request, archive).await;
        let commit = match imported.map_err(CommandError::user)? {
            Imported::Commit(commit) | Imported::Unchanged(commit) => commit,
        };
        deploy_commit(&context, &record, &branch, commit).await
    }
}

/// The branch that a source without a push is committed to.
pub async fn branch(context: &Context, record: &AppRecord) -> Result<String, CommandError> {
    let branch = context.app.store.computed_property(record.id, "deploy-branch").await?;
    Ok(branch.unwrap_or_else(|| "main".to_owned()))
}

/// Deploys a commit of the app's repository; the branch moves to it once it serves.
pub async fn deploy_commit(
    context: &Context,
    record: &AppRecord,
    branch: &str,
    commit: crate::git::commit::CommitId,
) -> CommandResult {
    let repositories = &context.app.repositories;
    let snapshot = Snapshot::open(repositories, &record.name, commit.object(), None).await?;
    let description = format!("Deploy {}", commit.short());
    let order = context.order(record, Work::Build(BuildSource::Commit(snapshot)), &description);
    let ticket = Ticket::take(&context.app, &order).await?;
    let _turn = match take_turn(context, record.id, &ticket).await? {
        Some(turn) => turn,
        None => return Err(cancelled(context, order, ticket).await),
    };
    deploy::run_with(&context.app, order, ticket).await?;
    repositories.update_ref(&record.name, branch, &commit).await?;
    repositories.set_head(&record.name, branch).await?;
    Ok(0)
}

/// Records that an order was cancelled before its turn came, and tells who asked.
pub async fn cancelled(context: &Context, order: Order, ticket: Ticket) -> CommandError {
    let result = Err(DeployError::Cancelled);
    ticket.finish(&context.app, &order.work, &result).await;
    DeployError::Cancelled.into()
}

fn author(context: &Context) -> Author {
    let name = context.caller.name.clone();
    Author { email: format!("{name}@slipway.invalid"), name, seconds: clock::unix_seconds() }
}

/// How an archive is packed, told from its name.
pub fn kind_of(url: &str) -> ArchiveKind {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    if path.ends_with(".zip") {
        ArchiveKind::Zip
    } else if path.ends_with(".tar") {
        ArchiveKind::Tar
    } else {
        ArchiveKind::TarGz
    }
}

/// Opens a URL for reading. Its content is bounded by what the archive may hold, not here.
pub async fn download(url: String) -> Result<Box<dyn Read + Send>, CommandError> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(CommandError::user(format!("{url} is not a URL of an archive"))
            .hint("Write http://… or https://…, or `--` and give it on standard input"));
    }
    let shown = url.clone();
    let opened = tokio::task::spawn_blocking(move || ureq::get(&url).call().map_err(io::Error::other)).await;
    let opened = opened.unwrap_or_else(|error| Err(io::Error::other(error)));
    let failed = |error: io::Error| {
        CommandError::user(format!("{shown} cannot be fetched: {error}"))
            .hint("Check the URL, and that this host can reach it")
    };
    let response = opened.map_err(failed)?;
    Ok(Box::new(response.into_body().into_reader()))
}
