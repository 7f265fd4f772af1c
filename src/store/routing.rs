//! All that the routes are made of, by one visit to the database, however many apps there are. No config var is
//! opened for it.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::Connection;

use crate::model::hostname::Hostname;
use crate::model::path_route::PathRoute;
use crate::model::port_mapping::PortMapping;
use crate::store::apps::{self, AppId, AppRecord};
use crate::store::certificates::{self, CertificateRecord};
use crate::store::instances::{self, InstanceRecord};
use crate::store::{Store, StoreError, parse, path_routes};

/// What the routes of all apps are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteFacts {
    /// Every app, by name.
    pub apps: Vec<AppRouteFacts>,
    /// The global domains that were set.
    pub global_domains: Vec<Hostname>,
    /// Whether there shall be none, not even that of the settings.
    pub global_domains_cleared: bool,
    /// What is set about the requests of all apps, by its stored names.
    pub global_requests: BTreeMap<String, String>,
}

/// What the routes of one app are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRouteFacts {
    /// The app.
    pub record: AppRecord,
    /// The port of its release's web processes; `None` if the release was recorded before this was.
    pub web_port: Option<u16>,
    /// A person's own mappings, sorted.
    pub ports: Vec<PortMapping>,
    /// The host names added to it, in that order.
    pub domains: Vec<Hostname>,
    /// The paths of hosts that lead to it.
    pub paths: Vec<PathRoute>,
    /// Its certificates.
    pub certificates: Vec<CertificateRecord>,
    /// Whether its clients have to show certificates.
    pub client_certificates: bool,
    /// Its instances.
    pub instances: Vec<InstanceRecord>,
    /// Whether its release's `app.json` may have checks that go on while instances run.
    pub has_running_checks: bool,
    /// What is set about its requests, by its stored names.
    pub requests: BTreeMap<String, String>,
}

impl Store {
    /// What the routes are made of.
    pub async fn route_facts(&self) -> Result<RouteFacts, StoreError> {
        self.call(|connection| {
            let (mut domains, mut ports) = (domains(connection)?, ports(connection)?);
            let mut paths = path_routes::read(connection)?;
            let mut requests = request_properties(connection)?;
            let (web_ports, checked) = (web_ports(connection)?, with_running_checks(connection)?);
            let mut instances: HashMap<AppId, Vec<InstanceRecord>> = HashMap::new();
            for instance in instances::read(connection, None)? {
                instances.entry(instance.app).or_default().push(instance);
            }
            let strict = with_client_certificates(connection)?;
            let mut certificates: HashMap<AppId, Vec<CertificateRecord>> = HashMap::new();
            for certificate in certificates::read(connection, None)? {
                certificates.entry(certificate.app).or_default().push(certificate);
            }
            let apps = apps::all(connection)?.into_iter().map(|record| AppRouteFacts {
                web_port: web_ports.get(&record.id).copied(),
                ports: ports.remove(&record.id).unwrap_or_default(),
                domains: domains.remove(&Some(record.id)).unwrap_or_default(),
                paths: paths.remove(&record.id).unwrap_or_default(),
                client_certificates: strict.contains(&record.id),
                certificates: certificates.remove(&record.id).unwrap_or_default(),
                instances: instances.remove(&record.id).unwrap_or_default(),
                has_running_checks: checked.contains(&record.id),
                requests: requests.remove(&Some(record.id)).unwrap_or_default(),
                record,
            });
            let apps = apps.collect();
            let global_requests = requests.remove(&None).unwrap_or_default();
            let cleared = "SELECT EXISTS (SELECT 1 FROM properties
                           WHERE app IS NULL AND name = 'global-domains-cleared')";
            Ok(RouteFacts {
                apps,
                global_requests,
                global_domains: domains.remove(&None).unwrap_or_default(),
                global_domains_cleared: connection.query_row(cleared, [], |row| row.get(0))?,
            })
        })
        .await
    }
}

type Requests = HashMap<Option<AppId>, BTreeMap<String, String>>;

/// All properties whose names begin as those of requests do.
fn request_properties(connection: &Connection) -> Result<Requests, StoreError> {
    let sql = "SELECT app, name, value FROM properties WHERE name LIKE 'router-%'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut requests = Requests::new();
    while let Some(row) = rows.next()? {
        let app: Option<i64> = row.get(0)?;
        requests.entry(app.map(AppId)).or_default().insert(row.get(1)?, row.get(2)?);
    }
    Ok(requests)
}

type Domains = HashMap<Option<AppId>, Vec<Hostname>>;

fn domains(connection: &Connection) -> Result<Domains, StoreError> {
    let mut statement = connection.prepare_cached("SELECT app, hostname FROM domains ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut domains = Domains::new();
    while let Some(row) = rows.next()? {
        let app: Option<i64> = row.get(0)?;
        domains.entry(app.map(AppId)).or_default().push(parse(&row.get::<_, String>(1)?)?);
    }
    Ok(domains)
}

fn ports(connection: &Connection) -> Result<HashMap<AppId, Vec<PortMapping>>, StoreError> {
    let sql = "SELECT app, scheme, host_port, container_port FROM ports";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut ports: HashMap<AppId, Vec<PortMapping>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let scheme = parse(&row.get::<_, String>(1)?)?;
        let mapping = PortMapping { scheme, host_port: row.get(2)?, container_port: row.get(3)? };
        ports.entry(AppId(row.get(0)?)).or_default().push(mapping);
    }
    ports.values_mut().for_each(|mappings| mappings.sort_unstable());
    Ok(ports)
}

fn web_ports(connection: &Connection) -> Result<HashMap<AppId, u16>, StoreError> {
    let sql = "SELECT apps.id, web_port FROM apps JOIN releases ON releases.id = apps.current_release
               WHERE web_port IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((AppId(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn with_client_certificates(connection: &Connection) -> Result<HashSet<AppId>, StoreError> {
    let sql = "SELECT app FROM properties
               WHERE name = 'client-certificates' AND value = 'required' AND app IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get(0).map(AppId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Apps whose release mentions a kind of check that goes on. Reading the JSON of all would cost more than it saves.
fn with_running_checks(connection: &Connection) -> Result<HashSet<AppId>, StoreError> {
    let sql = r#"SELECT apps.id FROM apps JOIN releases ON releases.id = apps.current_release
                 WHERE app_json LIKE '%"readiness"%' OR app_json LIKE '%"liveness"%'"#;
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get(0).map(AppId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
