//! `run:logs`.

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::logs::{server_stops, stopping};
use crate::commands::run::named::{OneOffContainer, Which};
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Console;
use crate::docker::error::EngineError;
use crate::docker::logs::LogOptions;
use crate::docker::output::{OutputChunk, StandardStream};
use crate::model::role::Role;

/// Prints the output of detached one-off containers, also of those that ended lately
#[derive(Debug, Args)]
pub struct Logs {
    /// Follow the output until the containers have ended
    #[arg(short, long)]
    tail: bool,
    /// Lines of each container
    #[arg(short, long, default_value_t = 100)]
    num: u32,
    /// Only the output, without names before the lines of several containers
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    which: Which,
}

/// What one of the containers printed.
type Piece = Result<OutputChunk, EngineError>;

impl Command for Logs {
    const NAME: &'static str = "run:logs";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        self.which.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut found = self.which.find(&context).await?;
        // What somebody sits at is printed there, and kept nowhere.
        found.retain(|container| container.record.detached);
        if self.tail {
            context.io.presence.rest();
        }
        let print = self.print(&context, &found);
        tokio::select! {
            result = print => result?,
            () = context.io.client_gone.cancelled() => {}
            () = server_stops(&context.app), if self.tail => return Err(stopping()),
        }
        Ok(0)
    }
}

impl Logs {
    async fn print(&self, context: &Context, found: &[OneOffContainer]) -> Result<(), CommandError> {
        let options = LogOptions { follow: self.tail, tail: Some(self.num), ..LogOptions::default() };
        let mut pieces: Vec<BoxStream<'_, (usize, Piece)>> = Vec::new();
        for (index, container) in found.iter().enumerate() {
            let chunks = context.app.engine.logs(&container.facts.id, options).await?;
            pieces.push(chunks.map(move |piece| (index, piece)).boxed());
        }
        let alone = found.len() == 1 || self.quiet;
        let mut lines: Vec<Lines> =
            found.iter().map(|container| Lines::new((!alone).then_some(&container.record.name))).collect();
        let mut pieces: BoxStream<'_, (usize, Piece)> = if self.tail {
            stream::select_all(pieces).boxed()
        } else {
            stream::iter(pieces).flatten().boxed()
        };
        while let Some((index, piece)) = pieces.next().await {
            let piece = piece?;
            if let Some(lines) = lines.get_mut(index) {
                lines.print(context.console(), piece).await;
            }
        }
        Ok(())
    }
}

/// Puts a container's name before each of its lines, if there are others.
#[derive(Debug)]
struct Lines {
    prefix: Option<String>,
    unfinished: [Vec<u8>; 2],
}

impl Lines {
    fn new(name: Option<&String>) -> Self {
        Self { prefix: name.map(|name| format!("{name}: ")), unfinished: Default::default() }
    }

    async fn print(&mut self, console: &Console, piece: OutputChunk) {
        let OutputChunk { stream, bytes, ends_frame } = piece;
        let bytes = match &self.prefix {
            None => bytes.to_vec(),
            Some(prefix) => {
                let [stdout, stderr] = &mut self.unfinished;
                let line = if stream == StandardStream::Stdout { stdout } else { stderr };
                line.extend_from_slice(&bytes);
                // The engine makes a frame of each line; only a very long one comes in several.
                if !ends_frame {
                    return;
                }
                let text = std::mem::take(line);
                let end: &[u8] = if text.ends_with(b"\n") { b"" } else { b"\n" };
                [prefix.as_bytes(), &text, end].concat()
            }
        };
        match stream {
            StandardStream::Stdout => console.stdout(bytes).await,
            StandardStream::Stderr => console.stderr(bytes).await,
        }
    }
}
