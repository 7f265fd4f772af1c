//! `logs -t`: goes on across deploys, restarts and crashes, until the client ends.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream, SelectAll};
use tokio::time::interval;

use crate::clock;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::logs::{Line, Logs, lines};
use crate::docker::error::EngineError;
use crate::docker::logs::LogOptions;
use crate::model::container_id::ContainerId;

/// How often it looks for instances that are new, or that the engine has started again.
const LOOK: Duration = Duration::from_secs(1);

/// What was read of a container. The engine ends a log with the process, also when it starts another one.
#[derive(Debug, Default)]
struct Progress {
    open: bool,
    last_time: String,
    /// Lines up to this time were shown before the log was opened again.
    shown_up_to: String,
    ended_at: Option<i64>,
}

type Step = (ContainerId, Option<Result<Line, EngineError>>);

/// Prints lines as they come; never returns but by an error.
pub async fn follow(logs: &Logs, context: &Context) -> Result<(), CommandError> {
    let name = &context.target()?.name;
    let mut progress: HashMap<ContainerId, Progress> = HashMap::new();
    let mut steps: SelectAll<BoxStream<'static, Step>> = SelectAll::new();
    let mut look = interval(LOOK);
    // Of those that are there from the start only the last lines are wanted; of the others all.
    let mut tail = Some(logs.num);
    loop {
        tokio::select! {
            _ = look.tick() => {
                open_new(logs, context, tail.take(), (&mut progress, &mut steps)).await?;
            }
            Some((container, step)) = steps.next(), if !steps.is_empty() => {
                let known = progress.entry(container).or_default();
                match step {
                    Some(Ok(line)) => {
                        if line.time > known.shown_up_to {
                            context.console().stdout(logs.shown(name, &line)).await;
                        }
                        known.last_time = line.time;
                    }
                    Some(Err(error)) => tracing::debug!(app = %name, %error, "a log broke off"),
                    None => {
                        known.open = false;
                        known.shown_up_to = known.last_time.clone();
                        known.ended_at = Some(clock::unix_seconds());
                    }
                }
            }
        }
    }
}

/// Opens the logs of instances whose logs are not open.
async fn open_new(
    logs: &Logs,
    context: &Context,
    tail: Option<u32>,
    (progress, steps): (&mut HashMap<ContainerId, Progress>, &mut SelectAll<BoxStream<'static, Step>>),
) -> Result<(), CommandError> {
    let instances = context.app.store.instances(Some(context.target()?.id)).await?;
    for instance in logs.wanted(instances) {
        let id = instance.container.clone();
        let known = progress.entry(id.clone()).or_default();
        if known.open {
            continue;
        }
        // Seconds are all that the engine takes; what was shown of that second is left out by its time.
        let since = known.ended_at.map(|ended_at| ended_at - 1);
        let options = LogOptions { follow: true, tail, timestamps: true, since };
        match lines(&context.app.engine, &instance, options).await {
            Ok(lines) => {
                known.open = true;
                let end = (id.clone(), None);
                let lines = lines.map(move |line| (id.clone(), Some(line)));
                steps.push(lines.chain(stream::iter([end])).boxed());
            }
            // It was replaced just now; the next look finds its successor.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
