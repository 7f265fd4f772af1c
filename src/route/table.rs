//! The route table: which host belongs to which app, and where the app's instances are.
//!
//! Pure: a table is made from a [`TableSpec`] and never changed. It says nothing about how requests are sent, and
//! it holds no counters; those live in the instances, which survive from table to table.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use crate::model::app_name::AppName;
use crate::model::hostname::Hostname;

use super::fault::Fault;
use super::instance::Instance;
use super::waiting::WaitingRoom;

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
    pub app: AppName,
    /// The hosts it answers on, exact or wildcards for one label.
    pub hosts: Vec<Hostname>,
    /// Where requests come in, and to which port of a container they go.
    pub ports: Vec<PortRoute>,
    /// The instances that take requests.
    #[serde(default)]
    pub instances: Vec<InstanceRoute>,
    /// What to tell a client while there is no instance.
    #[serde(default)]
    pub state: AppState,
}

/// One way into an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortRoute {
    /// Where requests come in.
    pub entrance: Entrance,
    /// The port that the app listens on inside its containers.
    pub container_port: u16,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
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
    pub(super) fn is_encrypted(self) -> bool {
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
    /// Two apps claim one host.
    #[error("{host} belongs to {owner}, so {claimant} cannot have it")]
    HostTaken {
        /// The host.
        host: Hostname,
        /// The app that stands earlier in the table.
        owner: AppName,
        /// The app that claims it too.
        claimant: AppName,
    },
}

/// One app as requests see it.
#[derive(Debug)]
pub(super) struct Route {
    /// The app.
    pub(super) app: AppName,
    ports: Vec<PortRoute>,
    /// The instances that take requests.
    pub(super) instances: Vec<Arc<Instance>>,
    /// Where its requests wait.
    pub(super) room: Arc<WaitingRoom>,
    state: AppState,
}

/// The table itself.
#[derive(Debug, Default)]
pub(super) struct Table {
    exact: HashMap<String, Arc<Route>>,
    /// By what follows the wildcard's `*.`.
    wildcards: HashMap<String, Arc<Route>>,
    published: bool,
}

impl Table {
    /// Builds a table; `rooms` has the waiting room of each app, and `instance` gives the shared state of each
    /// instance, old or new.
    pub(super) fn build(
        spec: &TableSpec,
        rooms: &HashMap<AppName, Arc<WaitingRoom>>,
        mut instance: impl FnMut(&InstanceRoute) -> Arc<Instance>,
    ) -> Result<Self, TableError> {
        let mut table = Self { published: true, ..Self::default() };
        for routes in &spec.apps {
            let route = Arc::new(Route {
                app: routes.app.clone(),
                ports: routes.ports.clone(),
                instances: routes.instances.iter().map(&mut instance).collect(),
                room: rooms.get(&routes.app).cloned().unwrap_or_else(|| Arc::new(WaitingRoom::new())),
                state: routes.state,
            });
            for host in &routes.hosts {
                table.claim(host, &route)?;
            }
        }
        Ok(table)
    }

    fn claim(&mut self, host: &Hostname, route: &Arc<Route>) -> Result<(), TableError> {
        let (hosts, name) = match host.as_str().strip_prefix("*.") {
            Some(suffix) => (&mut self.wildcards, suffix),
            None => (&mut self.exact, host.as_str()),
        };
        match hosts.insert(name.to_owned(), Arc::clone(route)) {
            Some(before) if before.app != route.app => Err(TableError::HostTaken {
                host: host.clone(),
                owner: before.app.clone(),
                claimant: route.app.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether nothing was published yet, so that nothing is known of any host.
    pub(super) fn is_first(&self) -> bool {
        !self.published
    }

    /// The app that answers on a host, which has to be lower-case and without port. Exact wins over wildcard.
    pub(super) fn find(&self, host: &str) -> Option<&Arc<Route>> {
        self.exact.get(host).or_else(|| {
            let (_, suffix) = host.split_once('.')?;
            self.wildcards.get(suffix)
        })
    }
}

impl Route {
    /// The port of the app's containers that an entrance leads to, if it leads to one.
    pub(super) fn container_port(&self, entrance: Entrance) -> Option<u16> {
        self.ports.iter().find(|port| port.entrance == entrance).map(|port| port.container_port)
    }

    /// What to answer while no instance takes requests.
    pub(super) fn fault_without_instance(&self) -> Fault {
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
            app: name.parse().unwrap(),
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            ports: vec![PortRoute { entrance: Entrance::Http, container_port: 5000 }],
            instances: Vec::new(),
            state: AppState::Running,
        }
    }

    fn table(apps: Vec<AppRoutes>) -> Result<Table, TableError> {
        Table::build(&TableSpec { apps }, &HashMap::new(), |spec| Arc::new(Instance::new(spec)))
    }

    fn found<'a>(table: &'a Table, host: &str) -> Option<&'a str> {
        table.find(host).map(|route| route.app.as_str())
    }

    #[test]
    fn exact_wins_over_wildcard_and_a_wildcard_is_one_label() {
        let table = table(vec![app("wild", &["*.example.com"]), app("blog", &["blog.example.com"])]).unwrap();
        assert_eq!(found(&table, "blog.example.com"), Some("blog"));
        assert_eq!(found(&table, "shop.example.com"), Some("wild"));
        assert_eq!(found(&table, "a.shop.example.com"), None);
        assert_eq!(found(&table, "example.com"), None);
        assert_eq!(found(&table, "blog.example.org"), None);
    }

    #[test]
    fn no_prefix_and_no_suffix_of_a_host_matches() {
        let table = table(vec![app("blog", &["blog.localhost"])]).unwrap();
        for host in ["blog", "blog.localhost.evil", "xblog.localhost", "localhost", ""] {
            assert_eq!(found(&table, host), None, "{host}");
        }
    }

    #[test]
    fn a_host_of_two_apps_is_an_error_that_names_the_owner() {
        let error = table(vec![app("blog", &["a.example"]), app("shop", &["A.example."])]).unwrap_err();
        assert_eq!(error.to_string(), "a.example belongs to blog, so shop cannot have it");
        assert!(table(vec![app("a", &["*.x"]), app("b", &["*.x"])]).is_err());
        assert!(table(vec![app("a", &["x", "x"])]).is_ok());
    }

    #[test]
    fn an_entrance_that_an_app_does_not_have_leads_nowhere() {
        let table = table(vec![app("blog", &["a"])]).unwrap();
        let route = table.find("a").unwrap();
        assert_eq!(route.container_port(Entrance::Http), Some(5000));
        assert_eq!(route.container_port(Entrance::Port(8080)), None);
    }
}
