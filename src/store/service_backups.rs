//! Where services' backups go, how and when they are made, and how the last ones went. Credentials are sealed.

use rusqlite::{OptionalExtension, Row};
use secrecy::{ExposeSecret, SecretString};

use crate::clock;
use crate::model::service::ServiceId;
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError};

/// What is set of a service's backups, and how they went.
#[derive(Clone, Debug, Default)]
pub struct BackupRecord {
    /// Where they go: a bucket or a directory, as it was typed.
    pub destination: Option<String>,
    /// When they are made, in cron's fields.
    pub schedule: Option<String>,
    /// How a bucket is reached, as text of the caller's.
    pub access: Option<SecretString>,
    /// What they are encrypted with.
    pub passphrase: Option<SecretString>,
    /// For whom they are encrypted.
    pub public_key: Option<String>,
    /// How many are kept.
    pub keep_count: Option<u32>,
    /// For how many days they are kept.
    pub keep_days: Option<u32>,
    /// Until when the schedule was followed, in seconds since the Unix epoch, as all times here.
    pub accounted: Option<i64>,
    /// When the last one was made.
    pub succeeded_at: Option<i64>,
    /// When the last one failed, if none was made since.
    pub failed_at: Option<i64>,
    /// Why.
    pub failure: Option<String>,
}

const COLUMNS: &str = "service, destination, schedule, access, passphrase, public_key, keep_count, keep_days,
                       accounted, succeeded_at, failed_at, failure";

impl Store {
    /// What is set of a service's backups.
    pub async fn backup_record(&self, id: ServiceId) -> Result<BackupRecord, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let query = format!("SELECT {COLUMNS} FROM service_backups WHERE service = ?1");
            let found = connection.query_row(&query, [id.0], |row| Ok(read(row, &key))).optional()?;
            Ok(found.transpose()?.map(|(_, record)| record).unwrap_or_default())
        })
        .await
    }

    /// What is set of all services' backups, of those of which something is.
    pub async fn backup_records(&self) -> Result<Vec<(ServiceId, BackupRecord)>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let query = format!("SELECT {COLUMNS} FROM service_backups ORDER BY service");
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map([], |row| Ok(read(row, &key)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// Records what is set of a service's backups. How they went is recorded by itself.
    pub async fn set_backup_record(&self, id: ServiceId, record: BackupRecord) -> Result<(), StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let seal = |what: &str, secret: &Option<SecretString>| {
                let sealed = secret
                    .as_ref()
                    .map(|secret| key.seal(&place(id.0, what), secret.expose_secret().as_bytes()));
                sealed.transpose()
            };
            connection.execute(
                "INSERT INTO service_backups (service, destination, schedule, access, passphrase, public_key,
                     keep_count, keep_days, accounted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (service) DO UPDATE SET destination = ?2, schedule = ?3, access = ?4,
                     passphrase = ?5, public_key = ?6, keep_count = ?7, keep_days = ?8, accounted = ?9",
                (
                    id.0,
                    &record.destination,
                    &record.schedule,
                    seal("backup-access", &record.access)?,
                    seal("backup-passphrase", &record.passphrase)?,
                    &record.public_key,
                    record.keep_count,
                    record.keep_days,
                    record.accounted,
                ),
            )?;
            Ok(())
        })
        .await
    }

    /// Records until when a schedule was followed.
    pub async fn set_backup_accounted(&self, id: ServiceId, until: i64) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection
                .execute("UPDATE service_backups SET accounted = ?2 WHERE service = ?1", (id.0, until))?;
            Ok(())
        })
        .await
    }

    /// Records how a backup went.
    pub async fn note_backup(&self, id: ServiceId, failure: Option<String>) -> Result<(), StoreError> {
        let now = clock::unix_seconds();
        self.call(move |connection| {
            let update = if failure.is_none() {
                "INSERT INTO service_backups (service, succeeded_at, failure) VALUES (?1, ?2, ?3)
                 ON CONFLICT (service) DO UPDATE SET succeeded_at = ?2, failed_at = NULL, failure = ?3"
            } else {
                "INSERT INTO service_backups (service, failed_at, failure) VALUES (?1, ?2, ?3)
                 ON CONFLICT (service) DO UPDATE SET failed_at = ?2, failure = ?3"
            };
            connection.execute(update, (id.0, now, failure))?;
            Ok(())
        })
        .await
    }
}

fn read(row: &Row<'_>, key: &SecretKey) -> Result<(ServiceId, BackupRecord), StoreError> {
    let id: i64 = row.get(0)?;
    let open = |what: &str, sealed: Option<Vec<u8>>| {
        let opened = sealed.map(|sealed| {
            let bytes = key.open(&place(id, what), &sealed)?;
            let text = String::from_utf8(bytes);
            text.map(SecretString::from).map_err(|_| StoreError::Damaged(place(id, what)))
        });
        opened.transpose()
    };
    let record = BackupRecord {
        destination: row.get(1)?,
        schedule: row.get(2)?,
        access: open("backup-access", row.get(3)?)?,
        passphrase: open("backup-passphrase", row.get(4)?)?,
        public_key: row.get(5)?,
        keep_count: row.get(6)?,
        keep_days: row.get(7)?,
        accounted: row.get(8)?,
        succeeded_at: row.get(9)?,
        failed_at: row.get(10)?,
        failure: row.get(11)?,
    };
    Ok((ServiceId(id), record))
}

/// Where a secret is sealed for.
fn place(id: i64, what: &str) -> String {
    format!("service:{id}:{what}")
}
