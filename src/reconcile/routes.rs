//! The route table, made anew from the database and the engine's list of containers.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::container_id::ContainerId;
use crate::model::port_mapping::{PortMapping, Scheme};
use crate::route::table::{AppRoutes, AppState, Entrance, InstanceRoute, PortRoute, TableSpec};
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;
use crate::urls;

/// Makes a table and hands it to the router. If that fails the router keeps the one it has.
pub async fn publish(app: &Arc<App>) {
    match table(app).await {
        Ok(table) => match app.router.publish(&table) {
            Ok(published) => {
                for unbound in published.unbound {
                    tracing::error!(port = unbound.port, error = %unbound.source, "a port cannot be listened on");
                }
            }
            Err(error) => tracing::error!(%error, "the route table contradicts itself, the last one stays"),
        },
        Err(error) => tracing::error!(%error, "no new route table can be made, the last one stays"),
    }
}

async fn table(app: &Arc<App>) -> Result<TableSpec, CommandError> {
    let running = app.engine.running().await?;
    let instances = app.store.instances(None).await?;
    let mut apps = Vec::new();
    for record in app.store.apps().await? {
        let own: Vec<&InstanceRecord> =
            instances.iter().filter(|i| i.app == record.id && i.name.process_type.is_web()).collect();
        apps.push(routes(app, &record, &own, &running).await?);
    }
    Ok(TableSpec { apps })
}

async fn routes(
    app: &Arc<App>,
    record: &AppRecord,
    instances: &[&InstanceRecord],
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Result<AppRoutes, CommandError> {
    let own = app.store.ports(record.id).await?;
    let release = match record.current_release {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    let web_port = release.as_ref().map_or(5000, |release| urls::web_port(&own, &release.content));
    let reachable = instances.iter().filter_map(|instance| {
        let address = *running.get(&instance.container)?;
        Some(InstanceRoute {
            id: instance.container.to_string(),
            label: instance.name.to_string(),
            address: IpAddr::V4(address),
        })
    });
    let state = if record.stopped {
        AppState::Stopped
    } else if record.current_release.is_none() {
        AppState::NeverDeployed
    } else {
        AppState::Running
    };
    Ok(AppRoutes {
        app: record.name.clone(),
        hosts: urls::hostnames(app, record).await?,
        ports: urls::ports(own, web_port, app.https_address.is_some()).into_iter().map(port_route).collect(),
        instances: reachable.collect(),
        state,
    })
}

fn port_route(mapping: PortMapping) -> PortRoute {
    let entrance = match (mapping.scheme, mapping.host_port) {
        (Scheme::Http, 80) => Entrance::Http,
        (Scheme::Https, 443) => Entrance::Https,
        (Scheme::Http, port) => Entrance::Port(port),
        (Scheme::Https, port) => Entrance::EncryptedPort(port),
    };
    PortRoute { entrance, container_port: mapping.container_port }
}
