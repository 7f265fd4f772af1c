//! Instances that run and do not listen yet, as after the engine has started them again: asked until they do.
//!
//! No table leads to them before, so that requests wait rather than fail.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::model::container_id::ContainerId;
use crate::model::port_mapping::PortMapping;
use crate::run::readiness::Prospect;

/// How long a table waits for an answer. An app that listens answers within a fraction of that.
const GLANCE: Duration = Duration::from_millis(100);
/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(2);
/// Pauses between two questions: short at first, since most apps are up within milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What may be hoped of an instance now. One that runs and was not heard of is asked at once; where that is not
/// enough it is asked on in the background, and there will be a new table when it answers.
pub async fn prospect(
    app: &Arc<App>,
    container: &ContainerId,
    address: Option<Ipv4Addr>,
    ports: &[PortMapping],
) -> Prospect {
    if address.is_none() {
        // Nobody tells of one that has lost its network; its successor is expected like that of one that has ended.
        app.readiness.note_death(container);
    }
    let addresses: Vec<SocketAddr> = address
        .into_iter()
        .flat_map(|address| ports.iter().map(move |port| (IpAddr::V4(address), port.container_port).into()))
        .collect();
    let limit = app.settings.deploy.start();
    let known = app.readiness.prospect(container, addresses.clone(), limit);
    if known != Prospect::Expected {
        return known;
    }
    // What is about to be stopped listens as well, and stays what it is.
    if listens(&addresses, GLANCE).await {
        app.readiness.set_ready(container);
    } else if app.readiness.watch(container) {
        app.tasks.spawn(ask_until_known(app.clone(), container.clone()));
    }
    app.readiness.prospect(container, addresses, limit)
}

async fn ask_until_known(app: Arc<App>, container: ContainerId) {
    let limit = app.settings.deploy.start();
    let mut pause = FIRST_PAUSE;
    while let Some(addresses) = app.readiness.next_question(&container, limit) {
        if listens(&addresses, QUESTION).await {
            app.readiness.set_ready(&container);
            continue;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = app.shutdown.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    app.reconciler.publish_routes().await;
}

/// Whether anything answers at one of the addresses: an app may be reached on several ports and not use them all.
async fn listens(addresses: &[SocketAddr], limit: Duration) -> bool {
    for address in addresses {
        if matches!(timeout(limit, TcpStream::connect(address)).await, Ok(Ok(_))) {
            return true;
        }
    }
    false
}
