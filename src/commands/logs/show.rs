//! `logs`: prints what is kept of an app's log, and goes on with what is added to it.

use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::logs::filter::{Filter, Look};
use crate::commands::logs::time::parse_time;
use crate::commands::logs::{server_stops, stopping};
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Console;
use crate::console::door::Door;
use crate::logs::entry::{Entry, Source, sort_lines};
use crate::logs::reader::{Piece, Reader, Tail};
use crate::logs::segments::Place;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Lines that are shown if nobody says how many.
const LINES: u64 = 100;
/// Bytes that are read at a time.
const PIECE: usize = 512 << 10;
/// Who follows and is so far behind is shown how many lines lie between, instead of them.
const FARTHEST_BEHIND: u64 = 8 << 20;
/// How often who follows looks by themselves, once another server writes the log and nobody tells them of its lines.
const LOOK: Duration = Duration::from_millis(500);

/// What is no instance, and may have had nothing to say yet.
const ROUTER: &str = "router";

/// Prints the latest lines of an app's log: what its processes print and what happened to it
#[derive(Debug, Args)]
pub struct Logs {
    /// Go on with new lines, also of the next deploys, until the client ends
    #[arg(short, long, conflicts_with = "until")]
    tail: bool,
    /// Lines; 100 if nothing is said, all with --since
    #[arg(short, long)]
    num: Option<u64>,
    /// Only this process type or instance, for example worker or web.2; requests: router
    #[arg(short, long)]
    ps: Option<String>,
    /// Only what the app printed, without times and names
    #[arg(short, long)]
    quiet: bool,
    /// Only lines from then on: 2h, 30m, or a time such as 2026-01-31T12:00:00Z
    #[arg(long)]
    since: Option<String>,
    /// Only lines up to then
    #[arg(long)]
    until: Option<String>,
    /// Only lines with this text in them
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only lines of the app, or of slipway
    #[arg(long, value_name = "app|slipway", value_parser = parse_source)]
    source: Option<Source>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// The app
    app: String,
}

fn parse_source(text: &str) -> Result<Source, &'static str> {
    match text {
        "app" => Ok(Source::App),
        "slipway" => Ok(Source::Slipway),
        _ => Err("write app or slipway"),
    }
}

impl Command for Logs {
    const NAME: &'static str = "logs";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let filter = self.filter()?;
        let look = match context.io.terminal {
            _ if self.json => Look::Json,
            _ if self.quiet => Look::Quiet,
            Some(_) => Look::Coloured,
            None => Look::Plain,
        };
        // Before anything is read, so that nothing falls between.
        let growth = self.tail.then(|| context.app.logs.growth(record.id));
        context.app.logs.catch_up(record.id).await;
        let mut view = View {
            reader: context.app.logs.reader(record.id),
            console: context.console().clone(),
            filter,
            look,
            place: Place::default(),
            shown: 0,
        };
        let show = async {
            let end = view.find_start(&self).await?;
            self.check(&context, &record, end).await?;
            view.show(Some(end)).await?;
            self.check_process(&context, &record, view.shown).await?;
            match growth {
                Some(growth) => {
                    context.io.presence.rest();
                    view.follow(growth, &context.app.door).await
                }
                None => Ok(()),
            }
        };
        tokio::select! {
            result = show => result?,
            () = context.io.client_gone.cancelled() => {}
            // Who follows would follow for ever, and every restart of the server would wait for them.
            () = server_stops(&context.app), if self.tail => return Err(stopping()),
        }
        Ok(0)
    }
}

impl Logs {
    fn filter(&self) -> Result<Filter, CommandError> {
        let now = clock::precise_now();
        let time = |text: &Option<String>| text.as_deref().map(|text| parse_time(text, &now)).transpose();
        Ok(Filter {
            process: self.ps.clone(),
            source: self.source.or(self.quiet.then_some(Source::App)),
            since: time(&self.since)?,
            until: time(&self.until)?,
            text: self.grep.as_ref().map(|text| text.clone().into_bytes()),
        })
    }

    /// Says so where there is nothing to be expected: no deploy, no instances.
    async fn check(&self, context: &Context, record: &AppRecord, end: Place) -> Result<(), CommandError> {
        let name = &record.name;
        if record.current_release.is_none() {
            // A first deploy that failed has left something to be read.
            return if end == Place::default() { Err(CommandError::not_deployed(name)) } else { Ok(()) };
        }
        if context.app.store.instances(Some(record.id)).await?.is_empty() {
            let hint = format!("{name} has no instances: ps:start {name}, or ps:scale {name} web=1");
            context.console().warn(hint).await;
        }
        Ok(())
    }

    /// Refuses a process of which there is nothing and nothing to be expected.
    async fn check_process(
        &self,
        context: &Context,
        record: &AppRecord,
        shown: u64,
    ) -> Result<(), CommandError> {
        let Some(wanted) = self.ps.as_ref().filter(|_| shown == 0) else { return Ok(()) };
        let instances = context.app.store.instances(Some(record.id)).await?;
        let is_meant = |name: &crate::model::process_type::InstanceName| {
            name.process_type.as_str() == wanted || name.to_string() == *wanted
        };
        if wanted == ROUTER || instances.iter().any(|instance| is_meant(&instance.name)) {
            return Ok(());
        }
        Err(CommandError::user(format!("{} has no instance {wanted}", record.name))
            .hint(format!("See them: ps:report {}", record.name)))
    }
}

/// A log on its way to a person.
struct View {
    reader: Reader,
    console: Console,
    filter: Filter,
    look: Look,
    place: Place,
    shown: u64,
}

impl View {
    /// Goes to the first line that is wanted, and says where the log ends.
    async fn find_start(&mut self, wish: &Logs) -> Result<Place, CommandError> {
        let filter = self.filter.clone();
        let count = wish.num.or(wish.since.is_none().then_some(LINES));
        let tail = Tail { count, since: filter.since.clone() };
        let reader = self.reader.clone();
        let found = spawn_blocking(move || reader.tail(&tail, |entry| filter.matches(entry))).await;
        let (start, end) = found.map_err(unreadable)?.map_err(unreadable)?;
        self.place = start;
        Ok(end)
    }

    /// Shows lines up to a place, or to the log's end.
    async fn show(&mut self, end: Option<Place>) -> Result<(), CommandError> {
        while end.is_none_or(|end| self.place.offset < end.offset) {
            let mut piece = self.read().await?;
            if piece.lines.is_empty() {
                return Ok(());
            }
            if let Some(too_much) = end.and_then(|end| piece.next.offset.checked_sub(end.offset)) {
                let length =
                    piece.lines.len().saturating_sub(usize::try_from(too_much).unwrap_or(usize::MAX));
                piece.lines.truncate(length);
            }
            self.place = piece.next;
            self.print(piece).await;
        }
        Ok(())
    }

    /// Shows what is added, until the app is destroyed.
    async fn follow(&mut self, mut growth: watch::Receiver<()>, door: &Door) -> Result<(), CommandError> {
        loop {
            let reader = self.reader.clone();
            let last = spawn_blocking(move || reader.last_segment()).await;
            let last = last.map_err(unreadable)?.map_err(unreadable)?;
            if last.offset.saturating_sub(self.place.offset) > FARTHEST_BEHIND {
                self.print_gap(last.line.saturating_sub(self.place.line)).await;
                self.place = last;
            }
            let piece = self.read().await?;
            if piece.lines.is_empty() {
                tokio::select! {
                    grown = growth.changed() => if grown.is_err() { return Ok(()) },
                    () = async { door.left().await; sleep(LOOK).await } => {}
                }
            }
            self.place = piece.next;
            self.print(piece).await;
        }
    }

    async fn read(&self) -> Result<Piece, CommandError> {
        let (reader, place) = (self.reader.clone(), self.place);
        spawn_blocking(move || reader.read(place, PIECE)).await.map_err(unreadable)?.map_err(unreadable)
    }

    async fn print(&mut self, piece: Piece) {
        if piece.lost > 0 {
            self.print_gap(piece.lost).await;
        }
        let mut shown = Vec::new();
        for line in sort_lines(piece.lines).split(|byte| *byte == b'\n') {
            if let Some(entry) = Entry::parse(line).filter(|entry| self.filter.matches(entry)) {
                self.look.write(&entry, &mut shown);
                self.shown += 1;
            }
        }
        if !shown.is_empty() {
            self.console.stdout(shown).await;
        }
    }

    async fn print_gap(&self, lines: u64) {
        self.console
            .warn(format!("{lines} lines are left out here: they come faster than they are read"))
            .await;
    }
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    CommandError::internal("The app's log cannot be read", error)
}
