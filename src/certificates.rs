//! Certificates of apps: from the database into the router, and which host has one.
//!
//! They are published with every route table, so that whatever changes certificates, hosts or what is asked of clients
//! asks for new routes and needs to know no more. What is in force is replaced at once: there is no moment at which a
//! host has neither its old certificate nor its new one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Span;
use jiff::tz::TimeZone;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use secrecy::ExposeSecret;
use slipway_router::certificate::Certificate;
use slipway_router::host_pattern::HostPattern;
use slipway_router::tls_spec::{
    AppTls, ClientAuthority, ClientAuthorityError, ClientCertificates, TlsSpec, TlsVersions,
};

use crate::app::App;
use crate::clock;
use crate::model::hostname::Hostname;
use crate::store::StoreError;
use crate::store::apps::{AppId, AppRecord};
use crate::store::certificates::{CertificateRecord, covers};

/// The property with the protocol versions: `modern` or `intermediate`.
pub const TLS_VERSIONS: &str = "tls-versions";
/// The property that says whether clients show certificates: `off`, `optional` or `required`.
pub const CLIENT_CERTIFICATES: &str = "client-certificates";
/// The property with the authority of clients' certificates, in PEM form.
pub const CLIENT_AUTHORITY: &str = "client-authority";

/// The hosts of an app, and its certificates.
#[derive(Debug)]
pub struct OfApp {
    /// The app.
    pub app: AppId,
    /// Its hosts, as they are routed.
    pub hosts: Vec<Hostname>,
    /// Its certificates.
    pub certificates: Vec<CertificateRecord>,
}

/// Puts the certificates of all apps in force.
pub async fn publish(app: &App, of_apps: Vec<OfApp>) -> Result<(), StoreError> {
    let wishes = app.store.tls_properties().await?;
    let nothing = BTreeMap::new();
    let mut spec = TlsSpec {
        default: app.certificates.default().map(|default| default.certificate).into_iter().collect(),
        apps: Vec::new(),
        versions: versions(wishes.get(&None).unwrap_or(&nothing)).unwrap_or_default(),
    };
    let mut ids = HashSet::new();
    for of_app in of_apps {
        let wishes = wishes.get(&Some(of_app.app)).unwrap_or(&nothing);
        if of_app.certificates.is_empty() && wishes.is_empty() {
            continue;
        }
        let mut certificates = Vec::new();
        for record in &of_app.certificates {
            ids.insert(record.id);
            certificates.extend(open(app, record).await?);
        }
        spec.apps.push(AppTls {
            hosts: of_app.hosts.iter().filter_map(pattern).collect(),
            certificates,
            versions: versions(wishes).unwrap_or(spec.versions),
            clients: clients(of_app.app, wishes),
        });
    }
    app.certificates.keep_only(&ids);
    app.router.set_tls(&spec);
    Ok(())
}

/// A certificate as the router takes it, opened once. One that cannot be used was checked when it was added, so that
/// something has happened to the database.
async fn open(app: &App, record: &CertificateRecord) -> Result<Option<Arc<Certificate>>, StoreError> {
    if let Some(known) = app.certificates.of(record.id) {
        return Ok(known);
    }
    let Some(pair) = app.store.certificate_pair(record.id).await? else { return Ok(None) };
    let opened = Certificate::from_pem(pair.chain.as_bytes(), pair.key.expose_secret().as_bytes());
    let opened = match opened {
        Ok(certificate) => Some(Arc::new(certificate)),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(hosts = record.hosts.join(" "), error, "a certificate cannot be served");
            None
        }
    };
    app.certificates.remember(record.id, opened.clone());
    Ok(opened)
}

fn pattern(host: &Hostname) -> Option<HostPattern> {
    host.as_str().parse().ok()
}

fn versions(wishes: &BTreeMap<String, String>) -> Option<TlsVersions> {
    match wishes.get(TLS_VERSIONS).map(String::as_str) {
        Some("modern") => Some(TlsVersions::Modern),
        Some("intermediate") => Some(TlsVersions::Intermediate),
        _ => None,
    }
}

/// What is asked of an app's clients. Where their authority is missing or cannot be read there are no connections to
/// the app, rather than everybody's.
fn clients(app: AppId, wishes: &BTreeMap<String, String>) -> ClientCertificates {
    let authority = || {
        let bundle = wishes.get(CLIENT_AUTHORITY).map_or("", String::as_str);
        ClientAuthority::from_pem(bundle.as_bytes()).unwrap_or_else(|error: ClientAuthorityError| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(app = app.0, error, "the authority of clients' certificates cannot be used");
            ClientAuthority::nobody()
        })
    };
    match wishes.get(CLIENT_CERTIFICATES).map(String::as_str) {
        Some("optional") => ClientCertificates::Optional(authority()),
        Some("required") => ClientCertificates::Required(authority()),
        _ => ClientCertificates::Ignored,
    }
}

/// A self-signed certificate for hosts, with its key, both in PEM form; valid for so many days, or for good.
pub fn self_signed(hosts: &[Hostname], days: Option<i64>) -> Result<(String, String), rcgen::Error> {
    let mut parameters = CertificateParams::new(hosts.iter().map(Hostname::to_string).collect::<Vec<_>>())?;
    if let Some(host) = hosts.first() {
        parameters.distinguished_name.push(DnType::CommonName, host.as_str());
    }
    if let Some(days) = days {
        let day = |offset: i64| {
            let date = clock::now().to_zoned(TimeZone::UTC).date().saturating_add(Span::new().days(offset));
            let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
            date_time_ymd(date.year().into(), month, day)
        };
        // From yesterday on, for clients whose clock is behind.
        (parameters.not_before, parameters.not_after) = (day(-1), day(days));
    }
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Which hosts of one app clients can reach over HTTPS without being warned.
#[derive(Debug)]
pub struct Coverage {
    own: Vec<CertificateRecord>,
    default: Option<Arc<Certificate>>,
}

impl Coverage {
    /// Whether a host has a certificate: one of the app's, or the server's own if an authority has signed it.
    pub fn includes(&self, host: &Hostname) -> bool {
        let own = self.own.iter().any(|certificate| covers(&certificate.hosts, host.as_str()));
        own || self.default.as_ref().is_some_and(|default| default.covers(host.as_str()))
    }
}

/// Which hosts of an app have a certificate; none where there is no HTTPS.
pub async fn coverage(app: &App, record: &AppRecord) -> Result<Coverage, StoreError> {
    Ok(coverage_of(app, &app.store.certificates(Some(record.id)).await?))
}

/// The same for certificates that are known already.
pub fn coverage_of(app: &App, own: &[CertificateRecord]) -> Coverage {
    if app.https_address.is_none() {
        return Coverage { own: Vec::new(), default: None };
    }
    let default = app.certificates.default().filter(|default| default.is_trusted);
    Coverage { own: own.to_vec(), default: default.map(|default| default.certificate) }
}
