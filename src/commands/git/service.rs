//! `git-receive-pack`, `git-upload-pack`, `git-upload-archive`: what the real git asks for over SSH.

use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::App;
use crate::app::pushes::Push;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::apps::create::{create, ensure_repository};
use crate::commands::git::other_branches;
use crate::commands::git::turn::await_turn;
use crate::commands::{Command, Context, Scope, Target};
use crate::console::{CommandIo, Console, Output};
use crate::git::service::{ServiceKind, ServiceOptions};
use crate::model::app_name::AppName;
use crate::model::role::{AppAccess, Role};
use crate::process::Process;
use crate::store::apps::AppRecord;

/// Bytes that are read from git at a time.
const CHUNK: usize = 64 << 10;

/// Receives a push
#[derive(Debug, Args)]
pub struct ReceivePack {
    /// The app, as git sends it: `blog`, `/blog`, `blog.git`
    repository: String,
}

/// Serves a fetch or a clone
#[derive(Debug, Args)]
pub struct UploadPack {
    /// The app, as git sends it
    repository: String,
}

/// Serves `git archive --remote`
#[derive(Debug, Args)]
pub struct UploadArchive {
    /// The app, as git sends it
    repository: String,
}

impl Command for ReceivePack {
    const NAME: &'static str = "git-receive-pack";
    // The app may not exist yet; what exists is checked in `run`.
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = app_to_push_to(&context, &self.repository).await?;
        // Git tells the client first of all where the branches are. Told while a deploy is about to move one, the
        // client would push on top of what is no longer there. The turn itself is taken when the pack has arrived.
        if !await_turn(&context, record.id).await? {
            return Ok(1);
        }
        let push = Push {
            app: record.id,
            caller: context.caller.clone(),
            client_gone: context.io.client_gone.clone(),
        };
        let app = context.app.clone();
        let (caller, console) = (context.caller.name.clone(), context.io.console.clone());
        let token = app.pushes.enter(push);
        let served = serve(&context, ServiceKind::ReceivePack, &record.name, Some(token.clone()));
        let result = match served {
            Ok(process) => pump(process, context.io).await,
            Err(error) => Err(error),
        };
        let others = app.pushes.leave(&token);
        other_branches::tell(&app, &record, &caller, &console, others).await;
        collect_garbage_later(&app, record.name);
        result
    }
}

/// Tidies the repository when the push is over; git itself decides whether there is anything to do.
fn collect_garbage_later(app: &Arc<App>, app_name: AppName) {
    let repositories = app.repositories.clone();
    app.tasks.spawn(async move {
        if let Err(error) = repositories.collect_garbage_if_much(&app_name).await {
            tracing::debug!(app = %app_name, %error, "a repository was not tidied");
        }
    });
}

impl Command for UploadPack {
    const NAME: &'static str = "git-upload-pack";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(repository_name(&self.repository).to_owned())
    }

    async fn run(self, context: Context) -> CommandResult {
        let process = serve(&context, ServiceKind::UploadPack, &context.target()?.name, None)?;
        pump(process, context.io).await
    }
}

impl Command for UploadArchive {
    const NAME: &'static str = "git-upload-archive";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(repository_name(&self.repository).to_owned())
    }

    async fn run(self, context: Context) -> CommandResult {
        let process = serve(&context, ServiceKind::UploadArchive, &context.target()?.name, None)?;
        pump(process, context.io).await
    }
}

/// `ssh://host/blog.git` arrives as `/blog.git`, `host:blog` as `blog`. Anything else is no app's name.
fn repository_name(repository: &str) -> &str {
    let name = repository.strip_prefix('/').unwrap_or(repository);
    name.strip_suffix(".git").unwrap_or(name)
}

/// The app; made now if it does not exist, the caller may make apps, and that is not turned off.
async fn app_to_push_to(context: &Context, repository: &str) -> Result<AppRecord, CommandError> {
    let name: AppName = repository_name(repository).parse().map_err(|error| {
        CommandError::user(format!("{repository} is not an app: {error}"))
            .hint("Name the app behind the host: git remote set-url slipway ssh://slipway@HOST:2222/blog")
    })?;
    // Before it is looked up, so that an app that the key does not open looks like one that does not exist.
    if !context.caller.access.includes(&name) {
        return Err(closed(&name));
    }
    if let Some(record) = context.app.store.app(&name).await? {
        ensure_repository(&context.app, &name).await?;
        return Ok(record);
    }
    if context.caller.access != AppAccess::All {
        return Err(closed(&name));
    }
    let disabled = context.app.store.property(None, "disable-autocreation").await?;
    if disabled.as_deref() == Some("true") {
        return Err(CommandError::user("App auto-creation disabled.")
            .hint(format!("Re-enable app auto-creation or create an app with 'apps:create {name}'")));
    }
    match create(context, &name).await {
        Ok(record) => Ok(record),
        // Two first pushes at once: the other one was quicker.
        Err(error) => context.app.store.app(&name).await?.ok_or(error),
    }
}

fn closed(name: &AppName) -> CommandError {
    CommandError::no_such_app(name).hint("Your key is for some apps only and cannot make others")
}

fn serve(
    context: &Context,
    kind: ServiceKind,
    app_name: &AppName,
    push_token: Option<String>,
) -> Result<Process, CommandError> {
    let options = ServiceOptions {
        git_protocol: context.io.environment.get("GIT_PROTOCOL").cloned(),
        push_token,
        socket: context.app.settings.socket(),
        max_input_bytes: context.app.settings.deploy.max_push_bytes,
    };
    Ok(context.app.repositories.service(kind, app_name, &options)?)
}

/// Copies between the client and git until git has ended. A client that goes away does not end git: its hook may
/// be past the switch, and then the push has to be completed.
async fn pump(mut process: Process, io: CommandIo) -> CommandResult {
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let CommandIo { console, stdin: mut input, .. } = io;
    let feed = async {
        let Some(mut stdin) = stdin else { return };
        while let Some(bytes) = input.recv().await {
            // Git has closed its end: it says why on its own.
            if stdin.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let output = async {
        tokio::join!(copy(stdout, &console, Output::Stdout), copy(stderr, &console, Output::Stderr));
        process.wait().await
    };
    let mut output = std::pin::pin!(output);
    let status = tokio::select! {
        status = &mut output => status,
        () = feed => output.await,
    };
    let status = status.map_err(|error| CommandError::internal("git ended unexpectedly", error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

async fn copy<R: AsyncReadExt + Unpin>(source: Option<R>, console: &Console, stream: fn(Bytes) -> Output) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; CHUNK];
    while let Ok(length) = source.read(&mut buffer).await {
        match buffer.get(..length) {
            Some(bytes) if !bytes.is_empty() => console.write(stream(Bytes::copy_from_slice(bytes))).await,
            _ => return,
        }
    }
}
