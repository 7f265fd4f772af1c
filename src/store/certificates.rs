//! Certificates of apps. Keys are sealed; what stands in a certificate is kept beside it, so that what is only shown or
//! routed needs neither.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Row};
use secrecy::{ExposeSecret, SecretString};

use crate::clock;
use crate::model::certificate::{CertificateKind, CertificateName};
use crate::store::apps::AppId;
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError, parse, parse_json, to_json};

/// The number of a certificate. A certificate that takes the place of another has a number of its own, so that what is
/// known of a number never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateId(pub i64);

/// A certificate without what is needed to serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Its number.
    pub id: CertificateId,
    /// The app.
    pub app: AppId,
    /// Whose it is.
    pub kind: CertificateKind,
    /// Its name among those of the app and the kind.
    pub name: CertificateName,
    /// The hosts it is for, lower-case, wildcards included.
    pub hosts: Vec<String>,
    /// The end of its validity, in seconds since the Unix epoch.
    pub not_after: i64,
    /// When it was added, in seconds since the Unix epoch.
    pub added_at: i64,
}

/// A certificate that is to be recorded.
#[derive(Clone, Debug)]
pub struct NewCertificate {
    /// The app.
    pub app: AppId,
    /// Whose it is.
    pub kind: CertificateKind,
    /// Its name; one of the same app, kind and name is replaced.
    pub name: CertificateName,
    /// The hosts it is for.
    pub hosts: Vec<String>,
    /// The end of its validity, in seconds since the Unix epoch.
    pub not_after: i64,
    /// What is served.
    pub pair: CertificatePair,
}

/// A certificate with those between it and its authority, and its key, in PEM form.
#[derive(Clone, Debug)]
pub struct CertificatePair {
    /// The certificate, then the others in the order in which they are served.
    pub chain: String,
    /// The key.
    pub key: SecretString,
}

impl Store {
    /// The certificates of one app, or of all, by app, kind and name.
    pub async fn certificates(&self, app: Option<AppId>) -> Result<Vec<CertificateRecord>, StoreError> {
        self.call(move |connection| read(connection, app)).await
    }

    /// What is served with a certificate, if it is still there.
    pub async fn certificate_pair(&self, id: CertificateId) -> Result<Option<CertificatePair>, StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let found: Option<(String, Vec<u8>)> = connection
                .query_row("SELECT chain, key FROM certificates WHERE id = ?1", [id.0], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let Some((chain, sealed)) = found else { return Ok(None) };
            // Never with the text: it is secret.
            let key = String::from_utf8(secret.open(&place(id), &sealed)?)
                .map_err(|_| StoreError::Damaged("a certificate's key".to_owned()))?;
            Ok(Some(CertificatePair { chain, key: key.into() }))
        })
        .await
    }

    /// Records a certificate in place of one of the same app, kind and name: at no moment is there neither.
    pub async fn set_certificate(&self, new: NewCertificate) -> Result<CertificateId, StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let id = insert(&transaction, &secret, &new)?;
            transaction.commit()?;
            Ok(id)
        })
        .await
    }

    /// What is set about handshakes, by name, for each app and for all (`None`).
    pub async fn tls_properties(
        &self,
    ) -> Result<HashMap<Option<AppId>, BTreeMap<String, String>>, StoreError> {
        self.call(|connection| {
            let sql = "SELECT app, name, value FROM properties
                       WHERE name IN ('tls-versions', 'client-certificates', 'client-authority')";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            let mut properties: HashMap<Option<AppId>, BTreeMap<String, String>> = HashMap::new();
            while let Some(row) = rows.next()? {
                let app = row.get::<_, Option<i64>>(0)?.map(AppId);
                properties.entry(app).or_default().insert(row.get(1)?, row.get(2)?);
            }
            Ok(properties)
        })
        .await
    }

    /// Forgets a certificate.
    pub async fn remove_certificate(&self, id: CertificateId) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM certificates WHERE id = ?1", [id.0])?;
            Ok(())
        })
        .await
    }
}

/// Whether a certificate for some names is one for a host, which may be a wildcard itself.
pub fn covers(names: &[String], host: &str) -> bool {
    let above = || host.split_once('.').map(|(_, suffix)| format!("*.{suffix}"));
    names.iter().any(|name| name == host) || above().is_some_and(|wildcard| names.contains(&wildcard))
}

fn insert(
    connection: &Connection,
    secret: &SecretKey,
    new: &NewCertificate,
) -> Result<CertificateId, StoreError> {
    connection.execute(
        "DELETE FROM certificates WHERE app = ?1 AND kind = ?2 AND name = ?3",
        (new.app.0, new.kind.to_string(), new.name.as_str()),
    )?;
    connection.execute(
        "INSERT INTO certificates (app, kind, name, hosts, not_after, added_at, chain, key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, x'')",
        (
            new.app.0,
            new.kind.to_string(),
            new.name.as_str(),
            to_json(&new.hosts)?,
            new.not_after,
            clock::unix_seconds(),
            &new.pair.chain,
        ),
    )?;
    let id = CertificateId(connection.last_insert_rowid());
    let sealed = secret.seal(&place(id), new.pair.key.expose_secret().as_bytes())?;
    connection.execute("UPDATE certificates SET key = ?2 WHERE id = ?1", (id.0, sealed))?;
    Ok(id)
}

/// The certificates of one app, or of all.
pub(super) fn read(
    connection: &Connection,
    app: Option<AppId>,
) -> Result<Vec<CertificateRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, app, kind, name, hosts, not_after, added_at FROM certificates
         WHERE ?1 IS NULL OR app = ?1 ORDER BY app, kind DESC, name",
    )?;
    let mut rows = statement.query([app.map(|app| app.0)])?;
    let mut certificates = Vec::new();
    while let Some(row) = rows.next()? {
        certificates.push(record(row)?);
    }
    Ok(certificates)
}

fn record(row: &Row<'_>) -> Result<CertificateRecord, StoreError> {
    Ok(CertificateRecord {
        id: CertificateId(row.get(0)?),
        app: AppId(row.get(1)?),
        kind: parse(&row.get::<_, String>(2)?)?,
        name: parse(&row.get::<_, String>(3)?)?,
        hosts: parse_json(&row.get::<_, String>(4)?)?,
        not_after: row.get(5)?,
        added_at: row.get(6)?,
    })
}

fn place(id: CertificateId) -> String {
    format!("certificate:{}", id.0)
}
