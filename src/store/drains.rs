//! Where apps' logs are sent on to, and how far. Addresses are sealed: they may hold passwords.

use rusqlite::{Connection, Row};

use crate::clock;
use crate::model::drain_url::DrainUrl;
use crate::store::apps::AppId;
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError, parse};

/// A drain as it is recorded.
#[derive(Clone, Debug)]
pub struct DrainRecord {
    /// Its number.
    pub id: i64,
    /// The app whose log is sent.
    pub app: AppId,
    /// Where to.
    pub url: DrainUrl,
    /// A certificate authority that is trusted besides the host's own ones, in PEM form.
    pub authority: Option<String>,
    /// When it was added, in seconds since the Unix epoch.
    pub created_at: i64,
    /// How far the log was sent.
    pub progress: DrainProgress,
}

/// How far a log was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainProgress {
    /// Bytes of the log that were dealt with.
    pub offset: u64,
    /// Lines of the log that were dealt with.
    pub line: u64,
    /// Lines among them that were not sent, because the log's ring had lost them.
    pub dropped: u64,
}

impl Store {
    /// Records a drain and returns its number.
    pub async fn add_drain(
        &self,
        app: AppId,
        url: DrainUrl,
        authority: Option<String>,
        progress: DrainProgress,
    ) -> Result<i64, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO drains (app, url, authority, created_at, offset, line, dropped)
                 VALUES (?1, x'', ?2, ?3, ?4, ?5, ?6)",
                (
                    app.0,
                    authority,
                    clock::unix_seconds(),
                    signed(progress.offset),
                    signed(progress.line),
                    signed(progress.dropped),
                ),
            )?;
            let id = transaction.last_insert_rowid();
            let sealed = key.seal(&place(id), url.expose().as_bytes())?;
            transaction.execute("UPDATE drains SET url = ?2 WHERE id = ?1", (id, sealed))?;
            transaction.commit()?;
            Ok(id)
        })
        .await
    }

    /// The drains of one app, or of all, oldest first.
    pub async fn drains(&self, app: Option<AppId>) -> Result<Vec<DrainRecord>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| read(connection, &key, app)).await
    }

    /// Forgets a drain.
    pub async fn remove_drain(&self, id: i64) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM drains WHERE id = ?1", [id])?;
            Ok(())
        })
        .await
    }

    /// Notes how far a log was sent.
    pub async fn note_drain(&self, id: i64, progress: DrainProgress) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(
                "UPDATE drains SET offset = ?2, line = ?3, dropped = ?4 WHERE id = ?1",
                (id, signed(progress.offset), signed(progress.line), signed(progress.dropped)),
            )?;
            Ok(())
        })
        .await
    }
}

fn read(
    connection: &Connection,
    key: &SecretKey,
    app: Option<AppId>,
) -> Result<Vec<DrainRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, app, url, authority, created_at, offset, line, dropped FROM drains
         WHERE ?1 IS NULL OR app = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([app.map(|app| app.0)])?;
    let mut drains = Vec::new();
    while let Some(row) = rows.next()? {
        drains.push(record(row, key)?);
    }
    Ok(drains)
}

fn record(row: &Row<'_>, key: &SecretKey) -> Result<DrainRecord, StoreError> {
    let id = row.get(0)?;
    let url = key.open(&place(id), &row.get::<_, Vec<u8>>(2)?)?;
    // Never with the text: it is secret.
    let url = String::from_utf8(url).map_err(|_| StoreError::Damaged("a drain's address".to_owned()))?;
    let url = parse(&url).map_err(|_| StoreError::Damaged("a drain's address".to_owned()))?;
    let count = |index| Ok::<_, StoreError>(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0));
    Ok(DrainRecord {
        id,
        app: AppId(row.get(1)?),
        url,
        authority: row.get(3)?,
        created_at: row.get(4)?,
        progress: DrainProgress { offset: count(5)?, line: count(6)?, dropped: count(7)? },
    })
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn place(id: i64) -> String {
    format!("drain:{id}")
}
