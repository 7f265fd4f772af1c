//! The database: the only SQL in Slipway, behind one thread that owns the connection.
//!
//! Callers send closures and await their results. Nothing outside this module sees a row or a connection.

pub mod acme;
mod added_routes;
pub mod apps;
pub mod builds;
pub mod certificates;
mod clone;
pub mod config;
pub mod cron;
pub mod docker_options;
pub mod domains;
pub mod drains;
pub mod exposures;
pub mod formation;
pub mod health;
pub mod instances;
pub mod keys;
pub mod links;
mod migrations;
pub mod one_offs;
mod path_routes;
pub mod plugins;
pub mod ports;
pub mod properties;
pub mod releases;
pub mod resources;
pub mod routing;
pub mod secret;
pub mod service_backups;
pub mod service_data;
pub mod service_links;
pub mod services;
pub mod stopping;
pub mod storage;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::store::secret::{SecretError, SecretKey};

/// How many statements may wait before their callers wait too.
const BACKLOG: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// What the thread is sent.
enum Order {
    Work(Job),
    Close,
}

/// A handle on the database. Cheap to clone; the thread ends when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    orders: mpsc::Sender<Order>,
    key: Arc<SecretKey>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own error: a full disk, a broken file.
    #[error("the database refused")]
    Sqlite(#[from] rusqlite::Error),
    /// A file beside the database cannot be read or written.
    #[error("cannot use {0}")]
    File(String, #[source] io::Error),
    /// A sealed value cannot be opened.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A stored text does not parse: the database was written by something else.
    #[error("the database holds {0}, which this version does not understand")]
    Damaged(String),
    /// The database was written by a newer Slipway.
    #[error(
        "the database is of version {found}, this Slipway knows versions up to {known}: install the newer one"
    )]
    Newer {
        /// What the file says.
        found: i64,
        /// What this binary can migrate to.
        known: i64,
    },
    /// The name or number is taken already.
    #[error("{0} is already taken")]
    Taken(String),
    /// The database's thread has ended: the server is stopping.
    #[error("the database is closed, the server is stopping")]
    Closed,
}

impl Store {
    /// Opens or creates `slipway.db` in `root`, brings it to this version, and starts the thread that owns it.
    pub fn open(root: &Path) -> Result<(Self, JoinHandle<()>), StoreError> {
        let key = load_key(root)?;
        let path = root.join("slipway.db");
        let mut connection = Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on the disk when it returns: a power cut loses no release that was announced.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -2000)?;
        migrations::migrate(&mut connection)?;
        let (orders, mut queue) = mpsc::channel(BACKLOG);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                while let Some(Order::Work(job)) = queue.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|error| StoreError::File("a thread for the database".to_owned(), error))?;
        Ok((Self { orders, key: Arc::new(key) }, thread))
    }

    /// Closes the database once all that was asked of it up to now is done, whoever still has a handle: from then on
    /// they get [`StoreError::Closed`]. The thread's end says that it is closed.
    pub async fn close(&self) {
        // The only error is a thread that has ended.
        self.orders.send(Order::Close).await.ok();
    }

    /// A key for one purpose, which is the same as long as `secret.key` in `root` is. Needs no database.
    pub fn derive_key(root: &Path, purpose: &str) -> Result<[u8; 32], StoreError> {
        Ok(load_key(root)?.derive(purpose)?)
    }

    /// Runs a closure on the database's thread.
    async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have stopped waiting; the work is done all the same.
            answer.send(work(connection)).ok();
        });
        self.orders.send(Order::Work(job)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }
}

/// The key that values are sealed with. It is made before the first database is, and never after.
fn load_key(root: &Path) -> Result<SecretKey, StoreError> {
    let path = root.join("slipway.db");
    let existed = path.try_exists().map_err(|error| StoreError::File(path.display().to_string(), error))?;
    Ok(SecretKey::load(&root.join("secret.key"), existed)?)
}

/// Reads a stored text into its type.
fn parse<T: std::str::FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Damaged(format!("`{text}`")))
}

/// Reads a stored JSON text into its type.
fn parse_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("`{text}` ({error})")))
}

/// Writes a value as the JSON text that [`parse_json`] reads.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Turns the violation of a UNIQUE constraint into [`StoreError::Taken`].
fn taken(name: &str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    let name = name.to_owned();
    move |error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::Taken(name),
        _ => StoreError::Sqlite(error),
    }
}
