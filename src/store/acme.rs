//! Automatic certificates: accounts, keys that bind them, what was tried, and what authorities count.

use rusqlite::OptionalExtension;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::model::acme::DirectoryUrl;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse_json, to_json};

/// How long the ledger goes back: the longest time over which an authority counts.
pub const LEDGER_SECONDS: i64 = 7 * 86_400;

/// How it stands with an app's automatic certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AcmeState {
    /// Failures since the last success.
    pub failures: u32,
    /// What the last one was.
    pub last_error: Option<String>,
    /// When the last attempt was, in seconds since the Unix epoch.
    pub last_attempt: Option<i64>,
    /// Before when nothing is tried by itself.
    pub next_attempt: Option<i64>,
    /// Who gave the certificates that there are.
    pub directory: Option<String>,
    /// The names for which a certificate was wanted at the last attempt, whatever came of them.
    pub tried: Vec<String>,
    /// When the authority was last asked for a good time to replace them, and about which certificate.
    pub asked_at: Option<i64>,
    /// When the authority would have the first of them replaced.
    pub suggested: Option<i64>,
}

/// What an authority counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerKind {
    /// A certificate with a new set of names, by registered domain.
    Domain,
    /// A certificate, by its set of names.
    Set,
    /// A failure, by name.
    Failure,
}

impl LedgerKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Set => "set",
            Self::Failure => "failure",
        }
    }
}

impl Store {
    /// An account's credentials.
    pub async fn acme_account(
        &self,
        directory: &DirectoryUrl,
        email: &str,
    ) -> Result<Option<SecretString>, StoreError> {
        let (directory, email, key) = (directory.to_string(), email.to_owned(), self.key.clone());
        self.call(move |connection| {
            let sealed: Option<Vec<u8>> = connection
                .query_row(
                    "SELECT credentials FROM acme_accounts WHERE directory = ?1 AND email = ?2",
                    (&directory, &email),
                    |row| row.get(0),
                )
                .optional()?;
            let Some(sealed) = sealed else { return Ok(None) };
            Ok(Some(text(key.open(&account_place(&directory, &email), &sealed)?)?))
        })
        .await
    }

    /// Keeps an account's credentials, in place of those before.
    pub async fn set_acme_account(
        &self,
        directory: &DirectoryUrl,
        email: &str,
        credentials: SecretString,
    ) -> Result<(), StoreError> {
        let (directory, email, key) = (directory.to_string(), email.to_owned(), self.key.clone());
        self.call(move |connection| {
            let sealed =
                key.seal(&account_place(&directory, &email), credentials.expose_secret().as_bytes())?;
            connection.execute(
                "INSERT OR REPLACE INTO acme_accounts (directory, email, credentials, created_at)
                 VALUES (?1, ?2, ?3, ?4)",
                (directory, email, sealed, clock::unix_seconds()),
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets the accounts at a directory, and says how many there were.
    pub async fn forget_acme_accounts(&self, directory: &DirectoryUrl) -> Result<usize, StoreError> {
        let directory = directory.to_string();
        self.call(move |connection| {
            Ok(connection.execute("DELETE FROM acme_accounts WHERE directory = ?1", [directory])?)
        })
        .await
    }

    /// The key for external account binding of an app, else of all.
    pub async fn acme_external_key(&self, app: Option<AppId>) -> Result<Option<SecretString>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let found: Option<(Option<i64>, Vec<u8>)> = connection
                .query_row(
                    "SELECT app, hmac_key FROM acme_external_keys WHERE app IS ?1 OR app IS NULL
                     ORDER BY app IS NULL LIMIT 1",
                    [app.map(|app| app.0)],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            found.map(|(app, sealed)| text(key.open(&external_place(app), &sealed)?)).transpose()
        })
        .await
    }

    /// Sets the key for external account binding, or unsets it with `None`.
    pub async fn set_acme_external_key(
        &self,
        app: Option<AppId>,
        value: Option<SecretString>,
    ) -> Result<(), StoreError> {
        let (app, key) = (app.map(|app| app.0), self.key.clone());
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM acme_external_keys WHERE app IS ?1", [app])?;
            if let Some(value) = value {
                let sealed = key.seal(&external_place(app), value.expose_secret().as_bytes())?;
                let insert = "INSERT INTO acme_external_keys (app, hmac_key) VALUES (?1, ?2)";
                transaction.execute(insert, (app, sealed))?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// How it stands with an app's automatic certificates.
    pub async fn acme_state(&self, app: AppId) -> Result<AcmeState, StoreError> {
        self.call(move |connection| {
            let state: Option<String> = connection
                .query_row("SELECT state FROM acme_states WHERE app = ?1", [app.0], |row| row.get(0))
                .optional()?;
            state.map_or(Ok(AcmeState::default()), |state| parse_json(&state))
        })
        .await
    }

    /// Notes how it stands.
    pub async fn set_acme_state(&self, app: AppId, state: &AcmeState) -> Result<(), StoreError> {
        let state = to_json(state)?;
        self.call(move |connection| {
            connection.execute(
                "INSERT INTO acme_states (app, state) VALUES (?1, ?2)
                 ON CONFLICT (app) DO UPDATE SET state = excluded.state",
                (app.0, state),
            )?;
            Ok(())
        })
        .await
    }

    /// Notes what an authority counts, and forgets what none counts any more.
    pub async fn add_to_acme_ledger(
        &self,
        directory: &DirectoryUrl,
        entries: Vec<(LedgerKind, String)>,
    ) -> Result<(), StoreError> {
        let directory = directory.to_string();
        self.call(move |connection| {
            let now = clock::unix_seconds();
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM acme_ledger WHERE at < ?1", [now - LEDGER_SECONDS])?;
            for (kind, subject) in entries {
                transaction.execute(
                    "INSERT INTO acme_ledger (at, directory, kind, subject) VALUES (?1, ?2, ?3, ?4)",
                    (now, &directory, kind.as_str(), subject),
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// When something that an authority counts happened since a time, oldest first.
    pub async fn acme_ledger(
        &self,
        directory: &DirectoryUrl,
        (kind, subject): (LedgerKind, String),
        since: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let directory = directory.to_string();
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT at FROM acme_ledger
                 WHERE directory = ?1 AND kind = ?2 AND subject = ?3 AND at >= ?4 ORDER BY at",
            )?;
            let rows = statement.query_map((directory, kind.as_str(), subject, since), |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Never with the text in the error: it is secret.
fn text(bytes: Vec<u8>) -> Result<SecretString, StoreError> {
    let text = String::from_utf8(bytes);
    text.map(SecretString::from).map_err(|_| StoreError::Damaged("a secret that is no text".to_owned()))
}

fn account_place(directory: &str, email: &str) -> String {
    format!("acme-account:{directory}:{email}")
}

fn external_place(app: Option<i64>) -> String {
    format!("acme-external-key:{}", app.unwrap_or(0))
}
