//! `logs`: what an app's instances print.

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::error::EngineError;
use crate::docker::logs::LogOptions;
use crate::model::app_name::AppName;
use crate::model::process_type::ProcessType;
use crate::model::role::Role;
use crate::store::instances::InstanceRecord;

/// Longest line that is put together before it is printed in parts.
const LONGEST_LINE: usize = 64 << 10;

/// Prints the latest output of an app's instances
#[derive(Debug, Args)]
pub struct Logs {
    /// Follow the output until the client ends
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
        let mut instances = context.app.store.instances(Some(record.id)).await?;
        if record.current_release.is_none() {
            return Err(CommandError::not_deployed(&record.name));
        }
        if instances.is_empty() {
            let name = &record.name;
            context
                .console()
                .warn(format!("{name} has no instances: ps:start {name}, or ps:scale {name} web=1"))
                .await;
        }
        if let Some(wanted) = &self.ps {
            let process_type: Option<ProcessType> = wanted.parse().ok();
            instances.retain(|instance| {
                process_type.as_ref() == Some(&instance.name.process_type)
                    || instance.name.to_string() == *wanted
            });
            if instances.is_empty() {
                return Err(CommandError::user(format!("{} has no instance {wanted}", record.name))
                    .hint(format!("See them: ps:report {}", record.name)));
            }
        }
        let print = self.print(&context, &instances);
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
    /// Prints all instances' output: in the order of time, or as it comes when it is followed.
    async fn print(&self, context: &Context, instances: &[InstanceRecord]) -> Result<(), CommandError> {
        let mut streams = Vec::new();
        for instance in instances {
            streams.push(self.lines(context, instance).await?);
        }
        let console = context.console();
        let mut merged = stream::select_all(streams);
        let mut collected = Vec::new();
        while let Some(line) = merged.next().await {
            let line = line?;
            if self.tail {
                console.stdout(self.shown(&context.target()?.name, &line)).await;
            } else {
                collected.push(line);
            }
        }
        collected.sort_by(|one, other| one.time.cmp(&other.time));
        for line in &collected {
            console.stdout(self.shown(&context.target()?.name, line)).await;
        }
        Ok(())
    }

    async fn lines<'a>(
        &self,
        context: &'a Context,
        instance: &'a InstanceRecord,
    ) -> Result<BoxStream<'a, Result<Line, EngineError>>, EngineError> {
        let options = LogOptions { follow: self.tail, tail: Some(self.num), timestamps: true, since: None };
        let chunks = context.app.engine.logs(&instance.container, options).await?;
        let name = instance.name.to_string();
        let mut splitter = Splitter::default();
        let lines = chunks.flat_map(move |chunk| {
            let lines: Vec<Result<Line, EngineError>> = match chunk {
                Ok(chunk) => {
                    splitter.push(&chunk.bytes).into_iter().map(|text| Ok(Line::new(&name, text))).collect()
                }
                Err(error) => vec![Err(error)],
            };
            stream::iter(lines)
        });
        Ok(lines.boxed())
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

impl Line {
    /// Takes the engine's line apart: an RFC 3339 time, a space, the text.
    fn new(instance: &str, line: Vec<u8>) -> Self {
        let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (time, text) = line.split_at_checked(space).unwrap_or((&line, &[]));
        Self {
            time: String::from_utf8_lossy(time).into_owned(),
            instance: instance.to_owned(),
            text: text.get(1..).unwrap_or_default().to_vec(),
        }
    }
}

/// Cuts chunks into lines.
#[derive(Debug, Default)]
struct Splitter {
    rest: Vec<u8>,
}

impl Splitter {
    fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' || self.rest.len() >= LONGEST_LINE {
                lines.push(std::mem::take(&mut self.rest));
            }
            if *byte != b'\n' {
                self.rest.push(*byte);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_chunks_and_taken_apart() {
        let mut splitter = Splitter::default();
        assert!(splitter.push(b"2026-01-01T00:00:00Z he").is_empty());
        let lines = splitter.push(b"llo\n2026");
        assert_eq!(lines, [b"2026-01-01T00:00:00Z hello".to_vec()]);
        let line = Line::new("web.1", lines[0].clone());
        assert_eq!((line.time.as_str(), line.text.as_slice()), ("2026-01-01T00:00:00Z", b"hello".as_slice()));
    }
}
