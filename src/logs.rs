//! Each app's log: what its instances print and what Slipway says about it, in one stream on disk that outlives
//! deploys, containers and servers.
//!
//! One thread writes ([`collector`]), everybody reads the files ([`reader`]). The engine keeps the last 30 MB of each
//! container itself, so that nothing is missing after a time without a server. Knows nothing of who may read, of
//! commands and of where lines are sent on to.

mod app_log;
pub mod collector;
mod engine_file;
mod engine_line;
mod engine_stream;
pub mod entry;
mod growth;
pub mod limits;
mod message;
mod positions;
pub mod reader;
pub mod segments;
mod watch;
mod watchlist;
mod writer;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch as growth_watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerLabels;
use crate::logs::collector::Collector;
use crate::logs::entry::Batch;
use crate::logs::growth::Growth;
use crate::logs::limits::LimitTable;
use crate::logs::message::{Message, Which};
use crate::logs::reader::Reader;
use crate::model::container_id::ContainerId;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// Of 20, how much the thread stands back.
const NICENESS: i32 = 10;
/// Messages that may wait for the thread.
const BACKLOG: usize = 1024;
/// How long anybody waits for the thread to keep what was printed up to now.
const SETTLE: Duration = Duration::from_secs(5);

/// A handle on all logs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Logs {
    messages: mpsc::Sender<Message>,
    root: PathBuf,
    store: Store,
    growth: Arc<Growth>,
    /// Containers that are followed by stream. Protects the set only; never held across an await.
    streams: Arc<Mutex<HashSet<ContainerId>>>,
    following: TaskTracker,
    stopping: CancellationToken,
}

/// Whose lines they are.
#[derive(Debug)]
struct Origin {
    app: AppId,
    process: String,
}

/// Makes the handle and what has to be started for it.
pub fn open(root: &Path, store: Store) -> (Logs, Collector) {
    let (messages, queue) = mpsc::channel(BACKLOG);
    let growth = Arc::new(Growth::default());
    let collector = Collector::new(queue, root.to_owned(), growth.clone());
    let logs = Logs {
        messages,
        root: root.to_owned(),
        store,
        growth,
        streams: Arc::default(),
        following: TaskTracker::new(),
        stopping: CancellationToken::new(),
    };
    (logs, collector)
}

/// Starts the collecting thread; it ends with [`Logs::stop`].
pub fn start(collector: Collector) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("logs".to_owned()).spawn(move || {
        stand_back();
        runtime.block_on(collector.run());
    })
}

/// Lowers this thread's priority; Linux has one for each thread.
fn stand_back() {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), NICENESS) {
        tracing::debug!(%error, "the thread that keeps logs has the priority of all others");
    }
}

impl Logs {
    /// Adds lines of Slipway's own to an app's log, marked `slipway[PROCESS]`: what a deploy prints, what happened to
    /// an instance.
    pub async fn platform_line(&self, app: AppId, process: &str, text: impl Into<Vec<u8>>) {
        self.send(Message::Say { app, process: process.to_owned(), text: text.into() }).await;
    }

    /// Adds many lines at once, and returns when the thread has taken them: whoever has more waits meanwhile.
    pub async fn keep(&self, app: AppId, lines: Batch) {
        let (done, taken) = oneshot::channel();
        self.send(Message::Keep { app, lines, done }).await;
        // The only error is a thread that has ended.
        taken.await.ok();
    }

    /// Keeps what a container prints from now on, and what the engine has of it; of no effect if that is being done.
    pub async fn follow(
        &self,
        engine: &Engine,
        container: &ContainerId,
        labels: &ContainerLabels,
        name: &str,
    ) -> Result<(), FollowError> {
        let Some(app) = self.owner(container, labels).await? else { return Ok(()) };
        let path = engine.log_file(container).await?;
        let of_app = name.strip_prefix(labels.app.as_str()).and_then(|name| name.strip_prefix('.'));
        let process = match &labels.instance {
            Some(instance) => instance.to_string(),
            None => of_app.unwrap_or(name).to_owned(),
        };
        let exists = async |path: &Path| tokio::fs::try_exists(path).await.unwrap_or(false);
        if exists(&path).await {
            self.send(Message::Follow { container: container.clone(), app, process, path }).await;
        } else if !exists(path.parent().unwrap_or(&path)).await {
            self.follow_by_stream(engine, container, Origin { app, process }).await;
        }
        // Else it has no file, and its output is nobody's but its client's.
        Ok(())
    }

    /// The same for an engine whose files cannot be seen. Ends with the container's process.
    async fn follow_by_stream(&self, engine: &Engine, container: &ContainerId, origin: Origin) {
        if !self.streams().insert(container.clone()) {
            return;
        }
        let (logs, engine, container) = (self.clone(), engine.clone(), container.clone());
        // What came before may be on its way to the file.
        self.catch_up(origin.app).await;
        let (reader, name) = (self.reader(origin.app), origin.process.clone());
        let last = tokio::task::spawn_blocking(move || reader.last_time(&name)).await;
        let since = last.ok().and_then(Result::ok).flatten().unwrap_or_default();
        self.following.spawn(async move {
            let following = engine_stream::follow(&logs, &origin, &engine, &container, since);
            if let Some(Err(error)) = logs.stopping.run_until_cancelled(following).await {
                tracing::debug!(%container, %error, "a container's output broke off");
            }
            logs.streams().remove(&container);
        });
    }

    fn streams(&self) -> MutexGuard<'_, HashSet<ContainerId>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The app that a container belongs to: by the record, since an app may have been renamed, else by its label.
    pub async fn owner(
        &self,
        container: &ContainerId,
        labels: &ContainerLabels,
    ) -> Result<Option<AppId>, StoreError> {
        let instances = self.store.instances(None).await?;
        if let Some(instance) = instances.into_iter().find(|instance| instance.container == *container) {
            return Ok(Some(instance.app));
        }
        if let Some(app) = self.store.task_owner(container).await? {
            return Ok(Some(app));
        }
        Ok(self.store.app(&labels.app).await?.map(|record| record.id))
    }

    /// Keeps all that a container has printed, before it is removed. Waits for a moment at most.
    pub async fn take_rest(&self, engine: &Engine, container: &ContainerId) {
        if self.settle(Which::Container(container.clone())).await {
            return;
        }
        // It was started just now, or is none that is followed.
        let followed = match engine.inspect(container.as_str()).await {
            Ok(facts) => self.follow(engine, container, &facts.labels, &facts.name).await,
            Err(error) if error.is_not_found() => return,
            Err(error) => Err(error.into()),
        };
        match followed {
            Ok(()) => {
                self.settle(Which::Container(container.clone())).await;
            }
            Err(error) => tracing::warn!(%container, %error, "a container's last lines may be lost"),
        }
    }

    /// Keeps all that an app's instances have printed up to now, for whoever is about to read it.
    pub async fn catch_up(&self, app: AppId) {
        self.settle(Which::App(app)).await;
    }

    async fn settle(&self, which: Which) -> bool {
        let (done, settled) = oneshot::channel();
        self.send(Message::Settle { which, done }).await;
        // Too late or no thread any more: then what is kept is what there is.
        matches!(timeout(SETTLE, settled).await, Ok(Ok(true)))
    }

    /// Says which containers the engine has: the output of the others is complete.
    pub async fn present(&self, containers: HashSet<ContainerId>) {
        self.send(Message::Present(containers)).await;
    }

    /// Says that a container was removed.
    pub async fn gone(&self, container: &ContainerId) {
        self.send(Message::Gone(container.clone())).await;
    }

    /// Removes an app's log, before the app's row can become another one's.
    pub async fn forget(&self, app: AppId) {
        let (done, forgotten) = oneshot::channel();
        self.send(Message::Forget { app, done }).await;
        // The only error is a thread that has ended.
        forgotten.await.ok();
    }

    /// Has the limits that are set now take effect.
    pub async fn reload_limits(&self) -> Result<(), StoreError> {
        let limits = LimitTable::load(&self.store).await?;
        self.send(Message::Limits(limits)).await;
        Ok(())
    }

    /// Ends the collecting thread, once it has written what it knows.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.following.close();
        self.following.wait().await;
        self.send(Message::Stop).await;
    }

    /// Reads an app's log.
    pub fn reader(&self, app: AppId) -> Reader {
        Reader::new(segments::directory(&self.root, app))
    }

    /// Is told when an app's log grows.
    pub fn growth(&self, app: AppId) -> growth_watch::Receiver<()> {
        self.growth.subscribe(app)
    }

    async fn send(&self, message: Message) {
        // The only error is a thread that has ended, with the server.
        self.messages.send(message).await.ok();
    }
}

/// Why a container's output cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
