//! Everything that is counted, added up and written out when somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::metrics::app::AppTotals;
use crate::metrics::drains::Drains;
use crate::metrics::text::Text;
use crate::metrics::worker::WorkerCounters;
use crate::status::{self, Condition};
use crate::table::Table;

/// Answers by the first digit of their status.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Where everything that is counted can be read.
#[derive(Debug)]
pub(crate) struct RouterCollector {
    /// The table in force, with its apps and their instances.
    pub(crate) table: Arc<ArcSwap<Table>>,
    /// The counters of the workers.
    pub(crate) workers: Vec<Arc<WorkerCounters>>,
    /// Access records that nobody read in time.
    pub(crate) dropped_records: Arc<AtomicU64>,
    /// Waits for instances that are to go.
    pub(crate) drains: Arc<Drains>,
}

/// Apps with what is counted of them. What belongs to no app has no name.
type Totals = BTreeMap<Arc<str>, AppTotals>;

impl Collector for RouterCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut text = Text::new(encoder);
        let totals = self.totals();
        write_requests(&mut text, &totals)?;
        write_durations(&mut text, &totals)?;
        self.write_instances(&mut text)?;
        self.write_waiting(&mut text)?;
        self.write_connections(&mut text)?;
        self.write_drains(&mut text)
    }
}

impl RouterCollector {
    fn totals(&self) -> Totals {
        let table = self.table.load();
        let apps = table.routes().iter();
        let mut totals: Totals =
            apps.map(|route| (Arc::clone(&route.app), route.memory.metrics.totals())).collect();
        let mut unrouted = AppTotals::default();
        self.workers.iter().for_each(|worker| worker.unrouted.add_to(&mut unrouted));
        totals.insert(Arc::from(""), unrouted);
        totals
    }

    fn write_instances(&self, text: &mut Text<'_>) -> fmt::Result {
        let instances = status::of_table(&self.table.load());
        let label = |instance: &status::InstanceStatus| {
            [("app", instance.app.to_string()), ("instance", instance.label.to_string())]
        };
        let in_flight = instances.iter().map(|instance| (label(instance), instance.in_flight as u64));
        text.gauge("in_flight_requests", "Requests and upgraded connections under way", in_flight)?;
        let seconds =
            instances.iter().filter_map(|instance| Some((instance, instance.latency?.as_secs_f64())));
        let seconds = seconds.map(|(instance, latency)| (label(instance), latency));
        text.gauge("latency_seconds", "What an answer takes to begin, on a moving average", seconds)?;
        let mut conditions = BTreeMap::new();
        for instance in &instances {
            for condition in Condition::ALL {
                let count = conditions.entry((&*instance.app, condition)).or_insert(0_u64);
                *count += u64::from(instance.condition == condition);
            }
        }
        let conditions = conditions.into_iter().map(|((app, condition), count)| {
            ([("app", app.to_owned()), ("condition", condition.name().to_owned())], count)
        });
        text.gauge("instances", "Instances by what is thought of them", conditions)
    }

    fn write_waiting(&self, text: &mut Text<'_>) -> fmt::Result {
        let table = self.table.load();
        let waiting = table.routes().iter().flat_map(|route| {
            let memory = &route.memory;
            let label = |reason: &str| [("app", route.app.to_string()), ("reason", reason.to_owned())];
            let (starting, busy) = (memory.room.waiting() as u64, memory.queue.waiting() as u64);
            [(label("starting"), starting), (label("busy"), busy)]
        });
        text.gauge("waiting_requests", "Requests that wait for an instance", waiting)
    }

    fn write_connections(&self, text: &mut Text<'_>) -> fmt::Result {
        let sum =
            |read: fn(&WorkerCounters) -> u64| self.workers.iter().map(|worker| read(worker)).sum::<u64>();
        let kind = |kind: &str| [("kind", kind.to_owned())];
        let open = [
            (kind("plain"), sum(|worker| worker.plain.now())),
            (kind("tls"), sum(|worker| worker.encrypted.now())),
        ];
        text.gauge("connections", "Connections of clients that are open", open)?;
        let accepted = [
            (kind("plain"), sum(|worker| worker.plain.begun.get())),
            (kind("tls"), sum(|worker| worker.encrypted.begun.get())),
        ];
        text.counter("connections_accepted", "Connections of clients", accepted)?;
        text.gauge(
            "http2_connections",
            "Those of them that speak HTTP/2",
            [([], sum(|worker| worker.http2.now()))],
        )?;
        let handshakes = [([], sum(|worker| worker.handshakes.get()))];
        text.counter("tls_handshakes", "TLS handshakes that came to an end", handshakes)?;
        let reason = |reason: &str| [("reason", reason.to_owned())];
        let failed = [
            (reason("timeout"), sum(|worker| worker.failed_handshakes.timeout.get())),
            (reason("unknown-name"), sum(|worker| worker.failed_handshakes.unknown_name.get())),
            (reason("broken"), sum(|worker| worker.failed_handshakes.broken.get())),
        ];
        text.counter("tls_handshake_failures", "TLS handshakes that failed", failed)?;
        let dropped = self.dropped_records.load(Ordering::Relaxed);
        text.counter("access_records_dropped", "Access records that nobody read in time", [([], dropped)])
    }

    fn write_drains(&self, text: &mut Text<'_>) -> fmt::Result {
        let Drains { running, complete, overdue } = &*self.drains;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        text.gauge(
            "drains",
            "Waits for the last requests of instances that are to go",
            [([], read(running))],
        )?;
        let result = |result: &str| [("result", result.to_owned())];
        let ended = [(result("complete"), read(complete)), (result("overdue"), read(overdue))];
        text.counter("drains_ended", "The same that have ended", ended)
    }
}

fn write_requests(text: &mut Text<'_>, totals: &Totals) -> fmt::Result {
    let classes = totals.iter().flat_map(|(app, totals)| {
        let classes = CLASSES.iter().zip(totals.classes);
        // Nothing is ever answered with less than 101, and nearly nothing is not answered at all.
        let classes = classes.filter(|(class, count)| *count > 0 || !matches!(**class, "none" | "1xx"));
        classes.map(|(class, count)| ([("app", app.to_string()), ("class", (*class).to_owned())], count))
    });
    text.counter("requests", "Requests by the class of their answers", classes)?;
    let codes = totals.iter().flat_map(|(app, totals)| {
        let codes = totals.codes.iter();
        codes.map(|(code, count)| ([("app", app.to_string()), ("code", (*code).to_owned())], *count))
    });
    text.counter("errors", "Requests that the router answered itself or could not bring to an end", codes)?;
    let of_apps = |read: fn(&AppTotals) -> u64| {
        totals.iter().map(move |(app, totals)| ([("app", app.to_string())], read(totals)))
    };
    text.counter("received_bytes", "Bytes of requests' bodies", of_apps(|totals| totals.received_bytes))?;
    text.counter(
        "sent_bytes",
        "Bytes of answers' bodies and upgraded connections",
        of_apps(|totals| totals.sent_bytes),
    )?;
    text.counter("retries", "Requests that were sent a second time", of_apps(|totals| totals.retries))?;
    text.counter(
        "ejections",
        "Instances that were left alone for failing",
        of_apps(|totals| totals.ejections),
    )?;
    text.gauge("websockets", "Upgraded connections that are open", of_apps(|totals| totals.tunnels))
}

fn write_durations(text: &mut Text<'_>, totals: &Totals) -> fmt::Result {
    let apps = || totals.iter().map(|(app, totals)| ([("app", app.to_string())], totals));
    let service = apps().map(|(app, totals)| (app, &totals.service));
    text.histogram("service_seconds", "From the head of a request to the end of its answer", service)?;
    let first_byte = apps().map(|(app, totals)| (app, &totals.first_byte));
    text.histogram(
        "first_byte_seconds",
        "From the end of a request to the beginning of its answer",
        first_byte,
    )?;
    let connect = apps().map(|(app, totals)| (app, &totals.connect));
    text.histogram("connect_seconds", "For new connections to instances", connect)?;
    let queue = apps().map(|(app, totals)| (app, &totals.queue));
    text.histogram("queue_seconds", "For a place at an instance, where one had to be waited for", queue)
}
