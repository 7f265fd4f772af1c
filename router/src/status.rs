//! What the router thinks of instances, for people who ask.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::table::Table;

pub use crate::health::Condition;

/// One instance of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// The app.
    pub app: Arc<str>,
    /// The container's id.
    pub id: String,
    /// Its name for people: `web.1`.
    pub label: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// What is thought of it.
    pub condition: Condition,
    /// Requests and upgraded connections under way.
    pub in_flight: usize,
    /// How long an answer takes to begin, on a moving average; unknown before the first.
    pub latency: Option<Duration>,
}

/// The instances of a table, app by app.
pub(crate) fn of_table(table: &Table) -> Vec<InstanceStatus> {
    let now = clock::now();
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for route in table.routes() {
        for instance in &route.instances {
            if seen.insert((Arc::clone(&route.app), instance.number)) {
                all.push(InstanceStatus {
                    app: Arc::clone(&route.app),
                    id: instance.id.clone(),
                    label: Arc::clone(&instance.label),
                    address: instance.address,
                    condition: instance.health.condition(now),
                    in_flight: instance.in_flight(),
                    latency: instance.latency.average(now),
                });
            }
        }
    }
    all
}
