//! What is known of the host, as Prometheus reads it. Everything is asked for anew each time.

use std::collections::HashMap;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::model::build::BuildStatus;
use crate::store::StoreError;
use crate::store::apps::{AppId, AppRecord};

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge>;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(super) enum FiguresError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They cannot be written.
    #[error("the figures cannot be written")]
    Text(#[from] std::fmt::Error),
}

/// The text for one scrape.
pub(super) async fn text(app: &App) -> Result<String, FiguresError> {
    let mut registry = Registry::default();
    registry.register_collector(app.router.collector());
    let apps = app.store.apps().await?;
    let names: HashMap<AppId, String> =
        apps.iter().map(|record| (record.id, record.name.to_string())).collect();
    this_server(app, &mut registry, &apps);
    instances(app, &mut registry, &names).await?;
    builds(app, &mut registry).await?;
    certificates(app, &mut registry, &names).await?;
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn gauges(registry: &mut Registry, name: &str, help: &str) -> Gauges {
    let gauges = Gauges::default();
    registry.register(format!("slipway_{name}"), help, gauges.clone());
    gauges
}

fn set(gauges: &Gauges, labels: Labels, value: i64) {
    gauges.get_or_create(&labels).set(value);
}

fn this_server(app: &App, registry: &mut Registry, apps: &[AppRecord]) {
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    set(&gauges(registry, "version", "The server's version, always 1"), vec![version], 1);
    let states = gauges(registry, "apps", "Apps by what a person has made of them");
    for state in ["running", "stopped", "never-deployed"] {
        let count = apps.iter().filter(|record| state_of(record) == state).count();
        set(&states, vec![("state", state.to_owned())], whole(count));
    }
    let (running, waiting) = app.build_queue.counts();
    let queue = gauges(registry, "builds", "Builds that run or wait for their turn");
    set(&queue, vec![("state", "running".to_owned())], whole(running));
    set(&queue, vec![("state", "waiting".to_owned())], whole(waiting));
}

fn state_of(record: &AppRecord) -> &'static str {
    match record.current_release {
        None => "never-deployed",
        Some(_) if record.stopped => "stopped",
        Some(_) => "running",
    }
}

/// Wanted instances by what has become of them. Without the engine nobody knows.
async fn instances(
    app: &App,
    registry: &mut Registry,
    names: &HashMap<AppId, String>,
) -> Result<(), FiguresError> {
    let up = gauges(registry, "engine_up", "Whether the Docker engine answers");
    let running = app.engine.running().await;
    set(&up, Vec::new(), i64::from(running.is_ok()));
    let Ok(running) = running else { return Ok(()) };
    let states = gauges(registry, "instances", "Wanted instances by their state");
    for instance in app.store.instances(None).await? {
        let Some(name) = names.get(&instance.app) else { continue };
        let state = if app.crashes.is_looping(&instance.container) {
            "crashing"
        } else if running.contains_key(&instance.container) {
            "running"
        } else {
            "down"
        };
        let labels = vec![
            ("app", name.clone()),
            ("process", instance.name.process_type.to_string()),
            ("state", state.to_owned()),
        ];
        states.get_or_create(&labels).inc();
    }
    Ok(())
}

/// The last build or deploy of each app, which is what an alert is about.
async fn builds(app: &App, registry: &mut Registry) -> Result<(), FiguresError> {
    let figures = app.store.deploy_figures().await?;
    let successes = gauges(registry, "last_deploy_success", "Whether an app's last deploy has succeeded");
    let times =
        gauges(registry, "last_deploy_timestamp_seconds", "When an app's last deploy ended, in Unix time");
    let versions = gauges(registry, "release_version", "The number of an app's release");
    for figure in figures {
        let labels = vec![("app", figure.app.to_string())];
        if let Some((status, ended)) = figure.last {
            set(&successes, labels.clone(), i64::from(status == BuildStatus::Succeeded));
            set(&times, labels.clone(), ended);
        }
        if let Some(version) = figure.release {
            set(&versions, labels, version);
        }
    }
    Ok(())
}

/// The ends of certificates, which are the same surprise everywhere.
async fn certificates(
    app: &App,
    registry: &mut Registry,
    names: &HashMap<AppId, String>,
) -> Result<(), FiguresError> {
    let help = "When an app's certificate ends, in Unix time";
    let ends = gauges(registry, "certificate_expiry_timestamp_seconds", help);
    for certificate in app.store.certificates(None).await? {
        let Some(app) = names.get(&certificate.app) else { continue };
        let labels = vec![
            ("app", app.clone()),
            ("kind", certificate.kind.to_string()),
            ("name", certificate.name.to_string()),
        ];
        set(&ends, labels, certificate.not_after);
    }
    Ok(())
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
