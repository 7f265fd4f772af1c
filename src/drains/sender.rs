//! Hands a batch to a drain's host, over a connection that is opened when it is needed.

use std::io;

use bytes::Bytes;

use crate::drains::connection::{OneWay, connect};
use crate::drains::http::{PostError, Poster};
use crate::drains::{json, syslog};
use crate::logs::entry::Entry;
use crate::model::drain_url::DrainKind;
use crate::store::drains::DrainRecord;

/// The sending end of one drain.
#[derive(Debug)]
pub struct Sender {
    drain: DrainRecord,
    host: String,
    connection: Option<Connection>,
}

#[derive(Debug)]
enum Connection {
    Syslog(OneWay),
    Http(Poster),
}

impl Sender {
    /// Not connected yet. `host` is what this host is called in syslog messages.
    pub fn new(drain: DrainRecord, host: String) -> Self {
        Self { drain, host, connection: None }
    }

    /// Writes an entry as this drain takes it.
    pub fn encode(&self, entry: &Entry<'_>, app: &str, batch: &mut Vec<u8>) {
        match self.drain.url.kind() {
            DrainKind::Syslog | DrainKind::SyslogTls => syslog::write(entry, &self.host, app, batch),
            DrainKind::Http | DrainKind::Https => {
                if let Err(error) = json::write(entry, app, batch) {
                    tracing::error!(%error, "a log line cannot be written as JSON");
                }
            }
        }
    }

    /// Sends a batch. After an error nothing of it may have arrived, or a part, or all.
    pub async fn send(&mut self, batch: &Bytes) -> Result<(), PostError> {
        let mut connection = match self.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => self.open().await?,
        };
        match &mut connection {
            Connection::Syslog(stream) => stream.send(batch).await?,
            Connection::Http(poster) => poster.post(&self.drain.url, batch.clone()).await?,
        }
        self.connection = Some(connection);
        Ok(())
    }

    async fn open(&self) -> Result<Connection, PostError> {
        let DrainRecord { url, authority, .. } = &self.drain;
        Ok(match url.kind() {
            DrainKind::Syslog | DrainKind::SyslogTls => {
                let stream = connect(url, authority.as_deref()).await?;
                Connection::Syslog(OneWay::new(stream))
            }
            DrainKind::Http | DrainKind::Https => {
                Connection::Http(Poster::open(url, authority.as_deref()).await?)
            }
        })
    }
}

impl Connection {
    fn is_open(&self) -> bool {
        match self {
            Self::Syslog(stream) => !stream.is_closed(),
            Self::Http(poster) => !poster.is_closed(),
        }
    }
}

/// An error with all its causes, in one line.
pub fn describe(error: &PostError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    if let PostError::Io(error) = error
        && error.kind() == io::ErrorKind::TimedOut
        && error.get_ref().is_none()
    {
        return "no answer came in time".to_owned();
    }
    text
}
