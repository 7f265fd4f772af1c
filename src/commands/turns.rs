//! Doing the same to several apps: one that fails does not keep the others from their turn.

use std::future::Future;
use std::thread::available_parallelism;

use clap::Args;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::Context;
use crate::console::{Console, Output};
use crate::model::app_name::AppName;
use crate::store::apps::AppRecord;

/// How many apps have their turn at the same time.
#[derive(Clone, Copy, Debug, Args)]
pub struct AtOnce {
    /// Apps at the same time; -1 for as many as there are processors
    #[arg(long, value_name = "COUNT", default_value_t = 1, allow_negative_numbers = true)]
    parallel: i32,
}

/// What is done to each app.
pub trait Turn: Sync {
    /// Does it to one app; the console is dropped when nothing more will be written.
    fn on(
        &self,
        context: &Context,
        record: &AppRecord,
        console: Console,
    ) -> impl Future<Output = Result<(), CommandError>> + Send;
}

impl AtOnce {
    fn count(self) -> Result<usize, CommandError> {
        match self.parallel {
            -1 => Ok(available_parallelism().map_or(1, usize::from)),
            count => usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
                CommandError::user(format!("{count} apps at the same time make no sense"))
                    .hint("Write --parallel 4, or --parallel -1 for as many as there are processors")
            }),
        }
    }
}

/// Does something to several apps, one after the other or several at the same time. Then each one's output is shown
/// when it is complete, so that it can be read.
pub async fn take_turns(
    context: &Context,
    records: &[AppRecord],
    at_once: AtOnce,
    work: &impl Turn,
) -> CommandResult {
    let at_once = at_once.count()?;
    let mut turns = Turns::new(context.console(), records.len());
    if at_once == 1 || records.len() <= 1 {
        for record in records {
            let result = work.on(context, record, context.console().clone()).await;
            turns.note(&record.name, result).await?;
        }
        return turns.finish();
    }
    let mut all = Vec::new();
    for record in records {
        all.push(turn(context, record, work).boxed());
    }
    let mut running = stream::iter(all).buffer_unordered(at_once);
    while let Some((record, output, result)) = running.next().await {
        for chunk in output {
            context.console().write(chunk).await;
        }
        turns.note(&record.name, result).await?;
    }
    turns.finish()
}

async fn turn<'a>(
    context: &Context,
    record: &'a AppRecord,
    work: &impl Turn,
) -> (&'a AppRecord, Vec<Output>, Result<(), CommandError>) {
    context.console().detail(format!("{}: its turn has begun", record.name)).await;
    let (console, mut written) = Console::new();
    let collect = async {
        let mut output = Vec::new();
        while let Some(chunk) = written.recv().await {
            output.push(chunk);
        }
        output
    };
    let (result, output) = tokio::join!(work.on(context, record, console), collect);
    (record, output, result)
}

/// What has come of the apps' turns up to now.
#[derive(Debug)]
pub struct Turns {
    console: Console,
    of: usize,
    failed: Vec<String>,
}

impl Turns {
    /// As many turns as there are apps.
    pub fn new(console: &Console, of: usize) -> Self {
        Self { console: console.clone(), of, failed: Vec::new() }
    }

    /// Takes note of what came of one app's turn. Only the error of a single app ends the command at once.
    pub async fn note(
        &mut self,
        app: &AppName,
        result: Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Err(error) = result else { return Ok(()) };
        if self.of == 1 {
            return Err(error);
        }
        if error.is_internal() {
            tracing::error!(%app, %error, "a command failed for one of several apps");
        }
        self.console.warn(error.lines()).await;
        self.failed.push(app.to_string());
        Ok(())
    }

    /// The command's result: an error that names the apps that failed, if any did.
    pub fn finish(self) -> CommandResult {
        if self.failed.is_empty() {
            return Ok(0);
        }
        Err(CommandError::user(format!(
            "{} of {} apps failed: {}",
            self.failed.len(),
            self.of,
            self.failed.join(" ")
        ))
        .hint("Why stands above; with the others it went well"))
    }
}
