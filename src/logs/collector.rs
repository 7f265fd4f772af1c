//! Takes what instances print out of the engine's files and into each app's log: one thread for all, with a low
//! priority, so that an app that prints without end takes the time of nobody else.
//!
//! It sleeps until a file grows or somebody has something to say. Then it takes turns: a part of what each container
//! has printed, one app after the other, at most every `TURN`. A container that prints faster than it can be kept
//! loses lines, and its log says how many; see `engine_file`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::logs::app_log::AppLog;
use crate::logs::engine_file::EngineFile;
use crate::logs::engine_line::Line;
use crate::logs::entry::{Entry, Source, Stream};
use crate::logs::growth::Growth;
use crate::logs::limits::LimitTable;
use crate::logs::message::{Message, Which};
use crate::logs::segments;
use crate::logs::watchlist::{Waiting, Watchlist};
use crate::model::container_id::ContainerId;
use crate::store::apps::AppId;

/// The least time between two turns: what comes meanwhile is kept in one go.
const TURN: Duration = Duration::from_millis(100);
/// The pause after a disk refused.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of the engine's that are taken of one container in one turn.
const BUDGET: usize = 1 << 20;
/// Turns after which even a container that never stops printing counts as read to its end: more than the engine keeps.
const MOST_TURNS: usize = 64;
/// One container's output on its way.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) app: AppId,
    pub(super) process: String,
    pub(super) file: EngineFile,
}

/// The collecting thread's state.
#[derive(Debug)]
pub struct Collector {
    messages: mpsc::Receiver<Message>,
    root: PathBuf,
    limits: LimitTable,
    growth: Arc<Growth>,
    apps: HashMap<AppId, AppLog>,
    containers: HashMap<ContainerId, Followed>,
    /// Containers that have more to be read, or may have.
    grown: BTreeSet<ContainerId>,
    /// Apps that have lines to be written.
    waiting: BTreeSet<AppId>,
    watchlist: Watchlist,
    next_turn: Instant,
}

impl Collector {
    pub(super) fn new(messages: mpsc::Receiver<Message>, root: PathBuf, growth: Arc<Growth>) -> Self {
        Self {
            messages,
            root,
            growth,
            limits: LimitTable::default(),
            apps: HashMap::new(),
            containers: HashMap::new(),
            grown: BTreeSet::new(),
            waiting: BTreeSet::new(),
            watchlist: Watchlist::default(),
            next_turn: Instant::now(),
        }
    }

    /// Works until it is told to stop. Meant for a thread of its own.
    pub(super) async fn run(mut self) {
        self.watchlist = Watchlist::open();
        loop {
            let busy = !self.grown.is_empty() || !self.waiting.is_empty() || !self.watchlist.gives_notices();
            tokio::select! {
                message = self.messages.recv() => match message {
                    None | Some(Message::Stop) => break,
                    Some(message) => self.handle(message),
                },
                grown = self.watchlist.next() => self.grown.extend(grown),
                () = sleep_until(self.next_turn), if busy => self.turn(),
            }
        }
        self.turn();
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Follow { container, app, process, path } => self.follow(container, app, process, path),
            Message::Say { app, process, text } => self.say(app, &process, &text),
            Message::Keep { app, lines, done } => {
                match self.log(app) {
                    Ok(log) => log.keep(lines),
                    Err(error) => {
                        tracing::warn!(app = app.0, %error, "lines for an app's log cannot be kept")
                    }
                }
                self.waiting.insert(app);
                // Whoever gave them may not wait any more.
                done.send(()).ok();
            }
            Message::Print { app, process, line } => self.print(app, &process, &line),
            Message::Settle { which, done } => {
                let settled = self.settle(&which);
                // Whoever asked may not wait any more.
                done.send(settled).ok();
            }
            Message::Present(present) => self.keep_only(&present),
            Message::Gone(container) => self.gone(&container),
            Message::Forget { app, done } => {
                self.forget(app);
                done.send(()).ok();
            }
            Message::Limits(limits) => {
                self.limits = limits;
                for (app, log) in &self.apps {
                    log.prune(self.limits.of(*app));
                }
            }
            Message::Stop => {}
        }
    }

    fn follow(&mut self, container: ContainerId, app: AppId, process: String, path: PathBuf) {
        if self.containers.contains_key(&container) {
            return;
        }
        let opened =
            self.log(app).and_then(|log| EngineFile::open(path, log.take_position(&container).as_ref()));
        match opened {
            Ok(file) => {
                self.grown.insert(container.clone());
                self.containers.insert(container, Followed { app, process, file });
            }
            Err(error) => tracing::warn!(%container, %error, "what a container prints cannot be kept"),
        }
    }

    fn log(&mut self, app: AppId) -> io::Result<&mut AppLog> {
        use std::collections::hash_map::Entry::{Occupied, Vacant};
        match self.apps.entry(app) {
            Occupied(entry) => Ok(entry.into_mut()),
            Vacant(entry) => Ok(entry.insert(AppLog::open(segments::directory(&self.root, app))?)),
        }
    }

    fn print(&mut self, app: AppId, process: &str, line: &Line) {
        match self.log(app) {
            Ok(log) => log.print(process, line),
            Err(error) => tracing::warn!(app = app.0, %error, "a line for an app's log cannot be kept"),
        }
        self.waiting.insert(app);
    }

    /// Adds lines of Slipway's own.
    fn say(&mut self, app: AppId, process: &str, text: &[u8]) {
        let time = clock::precise_now();
        match self.log(app) {
            Ok(log) => {
                for text in text.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
                    let source = Source::Slipway;
                    log.push(&Entry { time: &time, source, process, stream: Stream::None, text });
                }
                self.waiting.insert(app);
            }
            Err(error) => tracing::warn!(app = app.0, %error, "a line for an app's log cannot be kept"),
        }
    }

    /// One turn of all that have something to be kept.
    fn turn(&mut self) {
        let mut pause = TURN;
        if !self.watchlist.gives_notices() {
            self.grown.extend(self.containers.keys().cloned());
            pause = DISK_PAUSE;
        }
        let mut apps = std::mem::take(&mut self.waiting);
        apps.extend(self.grown.iter().filter_map(|id| Some(self.containers.get(id)?.app)));
        let mut more = false;
        for app in apps {
            let own =
                self.grown.iter().filter(|id| self.containers.get(*id).is_some_and(|one| one.app == app));
            let own: Vec<ContainerId> = own.cloned().collect();
            match self.turn_of(app, &own) {
                Ok(left) => more |= left,
                Err(error) => {
                    tracing::warn!(app = app.0, %error, "an app's log cannot be written; trying again");
                    self.waiting.insert(app);
                    pause = DISK_PAUSE;
                }
            }
        }
        self.next_turn = Instant::now() + if more { TURN / 20 } else { pause };
    }

    /// Takes a part of what some containers of an app have printed, and says whether there is more.
    fn turn_of(&mut self, app: AppId, containers: &[ContainerId]) -> io::Result<bool> {
        let limits = self.limits.of(app);
        // What could not be written before goes first; meanwhile nothing is read.
        self.log(app)?.retry(limits)?;
        let Some(log) = self.apps.get_mut(&app) else { return Ok(false) };
        let budget = (BUDGET / containers.len().max(1)).max(64 << 10);
        let mut more = HashSet::new();
        for id in containers {
            let Some(followed) = self.containers.get_mut(id) else { continue };
            match log.take(followed, budget) {
                Ok(true) => {
                    more.insert(id);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(container = %id, %error, "what a container prints cannot be read")
                }
            }
        }
        let own = self.containers.iter().filter(|(_, followed)| followed.app == app);
        let written = log.write(limits, own.map(|(id, followed)| (id, followed.file.position())));
        if log.has_grown() {
            self.growth.tell(app);
        }
        for id in containers.iter().filter(|id| !more.contains(id)) {
            self.watch(id);
        }
        written.map(|()| !more.is_empty())
    }

    /// Waits for a container's next line, unless that has come already.
    fn watch(&mut self, id: &ContainerId) {
        let Some(followed) = self.containers.get_mut(id) else { return };
        let looks_again = match self.watchlist.add(id, followed.file.path()) {
            Waiting::Notice => followed.file.look().unwrap_or(false),
            Waiting::Gone => false,
            // Without any notices all of them are looked at anyway, at longer intervals.
            Waiting::Look => self.watchlist.gives_notices(),
        };
        if !looks_again {
            self.grown.remove(id);
        }
    }

    /// Keeps all that there is up to now; says whether it knows any of the containers.
    fn settle(&mut self, which: &Which) -> bool {
        let meant = |(id, followed): &(&ContainerId, &Followed)| match which {
            Which::App(app) => followed.app == *app,
            Which::Container(container) => *id == container,
        };
        let containers: Vec<ContainerId> =
            self.containers.iter().filter(meant).map(|(id, _)| id.clone()).collect();
        let mut apps: BTreeSet<AppId> =
            containers.iter().filter_map(|id| Some(self.containers.get(id)?.app)).collect();
        if let Which::App(app) = which {
            apps.extend(self.waiting.get(app));
        }
        self.grown.extend(containers.iter().cloned());
        for app in apps {
            let turns = (0..MOST_TURNS).map(|_| self.turn_of(app, &containers));
            for turn in turns {
                match turn {
                    Ok(true) => {}
                    Ok(false) => {
                        self.waiting.remove(&app);
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(app = app.0, %error, "an app's log cannot be written");
                        self.waiting.insert(app);
                        break;
                    }
                }
            }
        }
        !containers.is_empty()
    }

    fn gone(&mut self, container: &ContainerId) {
        self.settle(&Which::Container(container.clone()));
        self.grown.remove(container);
        let Some(mut followed) = self.containers.remove(container) else { return };
        if let Some(log) = self.apps.get_mut(&followed.app) {
            log.finish(&mut followed);
            self.waiting.insert(followed.app);
        }
    }

    /// Lets go of containers that the engine does not have any more.
    fn keep_only(&mut self, present: &HashSet<ContainerId>) {
        let gone: Vec<ContainerId> =
            self.containers.keys().filter(|id| !present.contains(id)).cloned().collect();
        for container in gone {
            self.gone(&container);
        }
        for log in self.apps.values_mut() {
            log.forget_positions(present);
        }
    }

    fn forget(&mut self, app: AppId) {
        self.containers.retain(|_, followed| followed.app != app);
        self.apps.remove(&app);
        self.waiting.remove(&app);
        let directory = segments::directory(&self.root, app);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %directory.display(), %error, "a destroyed app's log was not removed");
            }
            _ => {}
        }
        self.growth.forget(app);
    }
}
