//! `logs`: what an app's instances print.

mod entries;
mod follow;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::logs::entries::{Entries, Entry};
use crate::commands::logs::follow::follow;
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::logs::LogOptions;
use crate::model::app_name::AppName;
use crate::model::role::Role;
use crate::store::instances::InstanceRecord;

/// Prints the latest output of an app's instances
#[derive(Debug, Args)]
pub struct Logs {
    /// Follow the output, also that of the next deploys, until the client ends
    #[arg(short, long)]
    tail: bool,
    /// Lines of each instance
    #[arg(short, long, default_value_t = 100)]
    num: u32,
    /// Only this process type or instance, for example worker or web.2
    #[arg(short, long)]
    ps: Option<String>,
    /// Only the output, without times and names
    #[arg(short, long)]
    quiet: bool,
    /// The app
    app: String,
}

impl Command for Logs {
    const NAME: &'static str = "logs";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        if record.current_release.is_none() {
            return Err(CommandError::not_deployed(&record.name));
        }
        let all = context.app.store.instances(Some(record.id)).await?;
        if all.is_empty() {
            let name = &record.name;
            context
                .console()
                .warn(format!("{name} has no instances: ps:start {name}, or ps:scale {name} web=1"))
                .await;
        }
        let instances = self.wanted(all);
        if let Some(wanted) = self.ps.as_ref().filter(|_| instances.is_empty()) {
            return Err(CommandError::user(format!("{} has no instance {wanted}", record.name))
                .hint(format!("See them: ps:report {}", record.name)));
        }
        let print = async {
            if self.tail { follow(&self, &context).await } else { self.print(&context, &instances).await }
        };
        tokio::select! {
            result = print => result?,
            () = context.io.client_gone.cancelled() => {}
            // Who follows would follow for ever, and every restart of the server would wait for them.
            () = context.app.shutdown.cancelled(), if self.tail => return Err(stopping()),
        }
        Ok(0)
    }
}

/// Why nothing is followed any longer.
pub fn stopping() -> CommandError {
    CommandError::user("The server is stopping").hint("Follow again in a moment")
}

impl Logs {
    /// Those of the instances that were asked for.
    fn wanted(&self, mut instances: Vec<InstanceRecord>) -> Vec<InstanceRecord> {
        if let Some(wanted) = &self.ps {
            instances.retain(|instance| {
                instance.name.process_type.as_str() == wanted || instance.name.to_string() == *wanted
            });
        }
        instances
    }

    /// Prints what all instances have printed up to now, in the order of time.
    async fn print(&self, context: &Context, instances: &[InstanceRecord]) -> Result<(), CommandError> {
        let options = LogOptions { tail: Some(self.num), timestamps: true, ..LogOptions::default() };
        let mut collected = Vec::new();
        for instance in instances {
            let mut lines = lines(&context.app.engine, instance, options).await?;
            while let Some(line) = lines.next().await {
                collected.push(line?);
            }
        }
        collected.sort_by(|one, other| one.time.cmp(&other.time));
        for line in &collected {
            context.console().stdout(self.shown(&context.target()?.name, line)).await;
        }
        Ok(())
    }

    fn shown(&self, app_name: &AppName, line: &Line) -> Vec<u8> {
        let mut shown = if self.quiet {
            Vec::new()
        } else {
            format!("{} {app_name}[{}]: ", line.time, line.instance).into_bytes()
        };
        shown.extend_from_slice(&line.text);
        shown.push(b'\n');
        shown
    }
}

/// One line of an instance's output.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    time: String,
    instance: String,
    text: Vec<u8>,
}

/// An instance's output, line by line.
async fn lines(
    engine: &Engine,
    instance: &InstanceRecord,
    options: LogOptions,
) -> Result<BoxStream<'static, Result<Line, EngineError>>, EngineError> {
    let chunks = engine.logs(&instance.container, options).await?;
    let name = instance.name.to_string();
    let mut entries = Entries::default();
    let lines = chunks.map(Some).chain(stream::iter([None])).flat_map(move |chunk| {
        let ended = match chunk {
            Some(Ok(chunk)) => entries.push(&chunk),
            Some(Err(error)) => return stream::iter(vec![Err(error)]),
            None => entries.finish(),
        };
        let line = |Entry { time, text }| Ok(Line { time, instance: name.clone(), text });
        stream::iter(ended.into_iter().map(line).collect::<Vec<_>>())
    });
    Ok(lines.boxed())
}
