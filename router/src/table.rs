//! The route table: which host belongs to which app, and where the app's instances are.
//!
//! Pure: a table is made from a [`TableSpec`] and never changed. It says nothing about how requests are sent, and
//! it holds no counters; those live in the instances, which survive from table to table.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::gate;
use crate::host_pattern::HostPattern;
use crate::instance::Instance;
use crate::memory::{AppMemory, Memories};
use crate::path_prefix::PathPrefix;
use crate::policy::Policy;
use crate::settings::SigningKey;
use crate::sticky::Cookies;

/// Everything that the router is to serve. Each publication is the whole of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// The apps, in any order.
    pub apps: Vec<AppRoutes>,
}

/// The routes of one app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRoutes {
    /// The app.
    pub app: Arc<str>,
    /// The hosts it answers on, with the paths below which it does.
    pub hosts: Vec<HostRoute>,
    /// Where requests come in, and to which port of a container they go.
    pub ports: Vec<PortRoute>,
    /// The instances that take requests.
    #[serde(default)]
    pub instances: Vec<InstanceRoute>,
    /// What to tell a client while there is no instance.
    #[serde(default)]
    pub state: AppState,
    /// What is set about its requests.
    #[serde(default)]
    pub policy: Arc<Policy>,
}

/// A host, and the paths on it that belong to an app.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostRoute {
    /// The host, or a wildcard for one label.
    pub host: HostPattern,
    /// The path and all below it: `/` is everything, `/app` is `/app` and `/app/x`, and not `/apple`.
    #[serde(default)]
    pub path: PathPrefix,
    /// Whether the instances see the path without the prefix.
    #[serde(default)]
    pub strip: bool,
}

impl From<HostPattern> for HostRoute {
    fn from(host: HostPattern) -> Self {
        Self { host, path: PathPrefix::default(), strip: false }
    }
}

/// One way into an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortRoute {
    /// Where requests come in.
    pub entrance: Entrance,
    /// The port that the app listens on inside its containers.
    pub container_port: u16,
    /// What the app speaks there.
    #[serde(default)]
    pub protocol: Protocol,
}

/// What instances speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 in clear text with prior knowledge, as gRPC servers do (RFC 9113, section 3.3).
    H2c,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrance {
    /// The main HTTP listener, whatever its port.
    Http,
    /// The main HTTPS listener, whatever its port.
    Https,
    /// A further port of the host, speaking HTTP.
    Port(u16),
    /// A further port of the host, speaking HTTPS.
    EncryptedPort(u16),
}

impl Entrance {
    /// Whether it begins with a TLS handshake.
    pub(crate) fn is_encrypted(self) -> bool {
        matches!(self, Self::Https | Self::EncryptedPort(_))
    }
}

/// One container that takes requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceRoute {
    /// The container's id.
    pub id: String,
    /// Its name for people: `web.1`.
    pub label: String,
    /// Its address on the network that the router shares with it.
    pub address: IpAddr,
}

/// Why an app may have no instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppState {
    /// It has instances; if not, that is a failure.
    #[default]
    Running,
    /// It has none to send to just now, and one is expected soon: requests wait for it.
    Starting,
    /// It was stopped, or scaled to zero.
    Stopped,
    /// Its processes exit.
    Crashed,
    /// Nothing was deployed yet.
    NeverDeployed,
}

/// Why a table was not published. The one before stays.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    /// Two apps claim one place.
    #[error("{place} belongs to {owner}, so {claimant} cannot have it")]
    PlaceTaken {
        /// The host, and the path unless it is all of them.
        place: String,
        /// The app that stands earlier in the table.
        owner: Arc<str>,
        /// The app that claims it too.
        claimant: Arc<str>,
    },
}

/// One app as requests see it.
#[derive(Debug)]
pub(crate) struct Route {
    /// The app.
    pub(crate) app: Arc<str>,
    ports: Vec<PortRoute>,
    /// The instances that take requests.
    pub(crate) instances: Vec<Arc<Instance>>,
    /// What is known of it from table to table.
    pub(crate) memory: Arc<AppMemory>,
    /// What is set about its requests.
    pub(crate) policy: Arc<Policy>,
    /// The cookies that make clients stay with instances, if they are to.
    pub(crate) cookies: Option<Cookies>,
    /// Whether there is anything to ask at the gate.
    pub(crate) has_rules: bool,
    pub(crate) state: AppState,
}

/// A path of a host, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The app.
    pub(crate) route: Arc<Route>,
    /// The path and all below it.
    pub(crate) path: PathPrefix,
    /// Whether the instances see the path without the prefix.
    pub(crate) strip: bool,
}

impl Place {
    /// The beginning of a path that the instances do not see.
    pub(crate) fn stripped(&self) -> Option<&str> {
        (self.strip && self.path.len() > 0).then(|| self.path.as_suffix())
    }

    /// A target as the instances see it.
    pub(crate) fn target(&self, asked: &PathAndQuery) -> PathAndQuery {
        let stripped = self.stripped().and_then(|prefix| asked.as_str().strip_prefix(prefix));
        let Some(rest) = stripped else { return asked.clone() };
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        // What was a valid target is one without its beginning.
        rest.try_into().unwrap_or_else(|_| asked.clone())
    }
}

/// The places of a host, the longest path first.
type Places = Vec<Place>;

/// The table itself.
#[derive(Debug, Default)]
pub(crate) struct Table {
    exact: HashMap<String, Places>,
    /// By what follows the wildcard's `*.`.
    wildcards: HashMap<String, Places>,
    /// All apps.
    routes: Vec<Arc<Route>>,
    published: bool,
    /// Whether any app wants header names as they came.
    preserves_case: bool,
}

impl Table {
    /// Builds a table; `memories` has that of each app, and `instance` gives the shared state of each instance, old
    /// or new.
    pub(crate) fn build(
        spec: &TableSpec,
        memories: &Memories,
        key: &SigningKey,
        mut instance: impl FnMut(&InstanceRoute) -> Arc<Instance>,
    ) -> Result<Self, TableError> {
        let mut table = Self { published: true, ..Self::default() };
        for routes in &spec.apps {
            let instances: Vec<_> = routes.instances.iter().map(&mut instance).collect();
            let sticky = routes.policy.balance.sticky;
            table.preserves_case |= routes.policy.headers.preserve_case;
            let route = Arc::new(Route {
                app: Arc::clone(&routes.app),
                ports: routes.ports.clone(),
                cookies: sticky.then(|| Cookies::new(key, &routes.app, &instances)),
                instances,
                memory: memories.get(&routes.app).cloned().unwrap_or_default(),
                policy: Arc::clone(&routes.policy),
                has_rules: gate::is_needed(&routes.policy),
                state: routes.state,
            });
            for host in &routes.hosts {
                table.claim(host, &route)?;
            }
            table.routes.push(route);
        }
        Ok(table)
    }

    fn claim(&mut self, claimed: &HostRoute, route: &Arc<Route>) -> Result<(), TableError> {
        let places = match claimed.host.wildcard_suffix() {
            Some(suffix) => self.wildcards.entry(suffix.to_owned()),
            None => self.exact.entry(claimed.host.as_str().to_owned()),
        };
        let places = places.or_default();
        match places.iter().find(|place| place.path == claimed.path) {
            Some(before) if before.route.app != route.app => Err(TableError::PlaceTaken {
                place: format!("{}{}", claimed.host, claimed.path.as_suffix()),
                owner: Arc::clone(&before.route.app),
                claimant: Arc::clone(&route.app),
            }),
            Some(_) => Ok(()),
            None => {
                let index = places.partition_point(|place| place.path.len() >= claimed.path.len());
                let place =
                    Place { route: Arc::clone(route), path: claimed.path.clone(), strip: claimed.strip };
                places.insert(index, place);
                Ok(())
            }
        }
    }

    /// All apps.
    pub(crate) fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Whether any app wants header names as they came. It has to be known before a request is read.
    pub(crate) fn preserves_case(&self) -> bool {
        self.preserves_case
    }

    /// Whether nothing was published yet, so that nothing is known of any host.
    pub(crate) fn is_first(&self) -> bool {
        !self.published
    }

    /// The place of a path on a host, which has to be lower-case and without port. Exact wins over wildcard, then the
    /// longest path.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&Place> {
        self.places(host)?.iter().find(|place| place.path.covers(path))
    }

    /// The host by which a host is found: itself, or a wildcard.
    pub(crate) fn pattern(&self, host: &str) -> String {
        match host.split_once('.') {
            Some((_, suffix)) if !self.exact.contains_key(host) => format!("*.{suffix}"),
            _ => host.to_owned(),
        }
    }

    /// Whether any app answers on a host by an entrance.
    pub(crate) fn serves(&self, host: &str, entrance: Entrance) -> bool {
        let leads = |place: &Place| place.route.port(entrance).is_some();
        self.places(host).is_some_and(|places| places.iter().any(leads))
    }

    fn places(&self, host: &str) -> Option<&Places> {
        self.exact.get(host).or_else(|| {
            let (_, suffix) = host.split_once('.')?;
            self.wildcards.get(suffix)
        })
    }
}

impl Route {
    /// The port of the app's containers that an entrance leads to, if it leads to one.
    pub(crate) fn port(&self, entrance: Entrance) -> Option<PortRoute> {
        self.ports.iter().find(|port| port.entrance == entrance).copied()
    }

    /// What to answer while no instance takes requests.
    pub(crate) fn fault_without_instance(&self) -> Fault {
        match self.state {
            AppState::Running | AppState::Stopped => Fault::NoInstance,
            AppState::Starting => Fault::Starting,
            AppState::Crashed => Fault::Crashed,
            AppState::NeverDeployed => Fault::NeverDeployed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str, hosts: &[&str]) -> AppRoutes {
        AppRoutes {
            app: Arc::from(name),
            hosts: hosts.iter().map(|host| host_route(host)).collect(),
            ports: vec![PortRoute {
                entrance: Entrance::Http,
                container_port: 5000,
                protocol: Protocol::Http1,
            }],
            instances: Vec::new(),
            state: AppState::Running,
            policy: Arc::default(),
        }
    }

    /// `host/path`.
    fn host_route(text: &str) -> HostRoute {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        HostRoute { host: host.parse().unwrap(), path: format!("/{path}").parse().unwrap(), strip: false }
    }

    fn table(apps: Vec<AppRoutes>) -> Result<Table, TableError> {
        let key = SigningKey::random();
        Table::build(&TableSpec { apps }, &Memories::new(), &key, |spec| Arc::new(Instance::new(spec)))
    }

    fn found<'a>(table: &'a Table, host: &str, path: &str) -> Option<&'a str> {
        table.find(host, path).map(|place| &*place.route.app)
    }

    #[test]
    fn exact_wins_over_wildcard_and_a_wildcard_is_one_label() {
        let table = table(vec![app("wild", &["*.example.com"]), app("blog", &["blog.example.com"])]).unwrap();
        assert_eq!(found(&table, "blog.example.com", "/"), Some("blog"));
        assert_eq!(found(&table, "shop.example.com", "/"), Some("wild"));
        assert_eq!(found(&table, "a.shop.example.com", "/"), None);
        assert_eq!(found(&table, "example.com", "/"), None);
        assert_eq!(found(&table, "blog.example.org", "/"), None);
    }

    #[test]
    fn the_longest_path_wins_and_a_path_ends_with_its_segment() {
        let table =
            table(vec![app("site", &["x"]), app("api", &["x/api"]), app("v2", &["x/api/v2"])]).unwrap();
        for (path, name) in [
            ("/", "site"),
            ("/api", "api"),
            ("/api/", "api"),
            ("/apis", "site"),
            ("/api/v2/x", "v2"),
            ("/api/v21", "api"),
        ] {
            assert_eq!(found(&table, "x", path), Some(name), "{path}");
        }
    }

    #[test]
    fn no_prefix_and_no_suffix_of_a_host_matches() {
        let table = table(vec![app("blog", &["blog.localhost"])]).unwrap();
        for host in ["blog", "blog.localhost.evil", "xblog.localhost", "localhost", ""] {
            assert_eq!(found(&table, host, "/"), None, "{host}");
        }
    }

    #[test]
    fn a_place_of_two_apps_is_an_error_that_names_the_owner() {
        let error = table(vec![app("blog", &["a.example"]), app("shop", &["A.example."])]).unwrap_err();
        assert_eq!(error.to_string(), "a.example belongs to blog, so shop cannot have it");
        let error = table(vec![app("blog", &["a/x"]), app("shop", &["a/x/"])]).unwrap_err();
        assert_eq!(error.to_string(), "a/x belongs to blog, so shop cannot have it");
        assert!(table(vec![app("a", &["*.x"]), app("b", &["*.x"])]).is_err());
        assert!(table(vec![app("a", &["x", "x"])]).is_ok());
    }

    #[test]
    fn an_entrance_that_an_app_does_not_have_leads_nowhere() {
        let table = table(vec![app("blog", &["a"])]).unwrap();
        let route = &table.find("a", "/").unwrap().route;
        assert_eq!(route.port(Entrance::Http).map(|port| port.container_port), Some(5000));
        assert_eq!(route.port(Entrance::Port(8080)), None);
        assert!(table.serves("a", Entrance::Http) && !table.serves("a", Entrance::Https));
    }
}
