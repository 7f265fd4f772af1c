//! `ENGINE:import`.

use bytes::Bytes;
use clap::Args;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use crate::backups::ByteStream;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::{asker, hold, show_counts};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::restoring::{self, Dump, Scruples};
use crate::services::{Service, exec, fresh, program};

/// Replaces all that a service holds by a dump from standard input, once all of it is read and found good
#[derive(Debug, Args)]
pub struct Import {
    /// Also where the dump lacks what the service has now
    #[arg(short, long)]
    force: bool,
    /// Read the dump into the service as it is, on top of what it holds
    #[arg(long, conflicts_with = "force")]
    merge: bool,
    /// The service
    service: String,
}

impl Command for Import {
    const NAME: &'static str = "service:import";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        fresh::restore_of(&context.service()?.engine)?;
        let dump = dump(&mut context).await?;
        let (_lease, service) = hold(&context).await?;
        if self.merge {
            merge(&context, &service, dump).await?;
        } else {
            let scruples = if self.force { Scruples::None } else { Scruples::NothingMissing };
            let dump = Dump { stream: dump, contents: None };
            let (asker, console) = (asker(&context), context.console());
            let counts =
                restoring::replace(&context.app, &service, dump, scruples, (&asker, console)).await?;
            show_counts(&context, &counts).await;
        }
        let what = if self.merge { "dump merged" } else { "dump imported" };
        let (store, id) = (&context.app.store, service.record.id);
        store.note_service_event(id, &context.caller.name, what).await?;
        context.console().headline(format!("Imported into {}", service.record.name)).await;
        Ok(0)
    }
}

/// What the client sends, of which there has to be something.
async fn dump(context: &mut Context) -> Result<ByteStream, CommandError> {
    let nothing =
        || CommandError::user("No data provided on stdin.").hint("Give it a file: import SERVICE < FILE");
    if context.io.terminal.is_some() {
        return Err(nothing());
    }
    let mut input = context.io.take_stdin();
    let first: Bytes = input.recv().await.ok_or_else(nothing)?;
    Ok(Box::pin(stream::iter([Ok(first)]).chain(rest(input))))
}

fn rest(input: mpsc::Receiver<Bytes>) -> ByteStream {
    Box::pin(stream::unfold(
        input,
        |mut input| async move { input.recv().await.map(|chunk| (Ok(chunk), input)) },
    ))
}

async fn merge(context: &Context, service: &Service, dump: ByteStream) -> Result<(), CommandError> {
    let Some(command) = &service.engine.merge else {
        return Err(CommandError::user(format!("{} cannot add a dump to what is there", service.title()))
            .hint("Without --merge the dump replaces what is there"));
    };
    let mut dump = program::unless_gone(dump, context.io.client_gone.clone());
    context.console().step("Reading the dump on top of what is there").await;
    let program = (command.command.as_slice(), &command.environment);
    let container = exec::container(service)?;
    program::write_to(&context.app, container, program, &service.values(), &mut dump).await.map_err(|error| {
        error.hint("What was read before may be there now. Without --merge an import is all or nothing")
    })
}
