//! The HTTP router: takes requests for all apps and sends each to an instance of the right one.
//!
//! It is a component of its own. It is given a table of routes and settings, and knows nothing else: no app, no
//! release, no database, no engine. It reads one immutable table and waits for nobody; it runs on threads of its
//! own, so that no build slows it.
//!
//! ```text
//! listener (on one worker) ─▶ worker (one a core) ─▶ client (─▶ tls) ─▶ proxy ─▶ check ─▶ table ─▶ gate ─▶ attempt ─▶ pool
//! publisher ─▶ table (replaced as a whole) + instances and memories of apps (kept from table to table)
//! ```
//!
//! *Architecture invariant:* a crate of its own, which depends on nothing of Slipway.

mod address_counts;
mod address_key;
mod attempt;
mod bare_answer;
mod body;
mod buffering;
mod carry;
mod certificates;
mod check;
mod choice;
mod client;
mod client_body;
mod client_certificate;
mod client_stream;
mod clock;
mod compression;
mod date;
mod deadline;
mod delivery;
mod error_page;
mod exchange;
mod fault;
mod forward_headers;
mod forwarded;
mod forwarding;
mod frame_watch;
mod gate;
mod handshakes;
mod head_watch;
mod health;
mod health_check;
mod host;
mod http2_answer;
mod http2_body;
mod http2_request;
mod instance;
mod instance_body;
mod interim_watch;
mod interims;
mod latency;
mod listener;
mod local_thread;
mod memory;
mod metrics;
mod origin;
mod passed;
mod pool;
mod progress;
mod proxy;
mod proxy_header;
mod pump;
mod queue;
mod rate_table;
mod received;
mod refusal;
mod replay;
mod request_body;
mod request_id;
mod response_headers;
mod retry_budget;
mod silence;
mod spool;
mod sticky;
mod tls;
mod transport;
mod treatment;
mod upgrade;
mod upstream;
mod value_buffer;
mod waiting;
mod websocket_frames;
mod worker;
mod workers;

pub mod access_log;
pub mod certificate;
pub mod challenges;
pub mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod host_pattern;
pub mod listening_socket;
pub mod path_prefix;
pub mod policy;
pub mod publisher;
pub mod settings;
pub mod status;
pub mod table;
pub mod tickets;
pub mod tls_spec;
pub mod trust;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use access_log::{AccessLog, AccessRecords};
use certificate::Certificate;
use challenges::Challenges;
use explain::{Explanation, Question};
use listener::Listener;
use listening_socket::ListeningSocket;
use metrics::collector::RouterCollector;
use metrics::drains::Drains;
use metrics::worker::WorkerCounters;
use publisher::{Drained, Published, Publisher, PublisherParts};
use settings::{RouterSettings, SigningKey};
use status::InstanceStatus;
use table::{Entrance, Table, TableError, TableSpec};
use tickets::{NoTicketKey, TicketKeys, TicketKeysError};
use tls::TlsState;
use tls_spec::TlsSpec;
use trust::Trust;
use waiting::WaitingRoom;
use worker::{Ending, Stop, WorkerParts};
use workers::Workers;

/// The way to a running router: bind, then start.
#[derive(Debug)]
pub struct Router;

/// A router that has its main ports and serves nothing yet.
#[derive(Debug)]
pub struct BoundRouter {
    settings: RouterSettings,
    http: Listener,
    https: Option<Listener>,
    /// For the first table.
    inherited: Vec<ListeningSocket>,
}

/// A running router. Clones are cheap and all the same.
///
/// When the last of them is dropped, the router stops at once; `shutdown` is the polite way.
#[derive(Clone, Debug)]
pub struct RouterHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    publisher: Publisher,
    /// Protects the list only; never held across an await.
    main: Mutex<MainPorts>,
    tls: Arc<TlsState>,
    trust: Arc<ArcSwap<Trust>>,
    stop: watch::Sender<Stop>,
    dropped_records: Arc<AtomicU64>,
    collector: Arc<RouterCollector>,
    /// Taken by the first shutdown. Protects nothing else, and is never held across an await.
    running: Mutex<Option<Workers>>,
}

/// The sockets of the main ports.
#[derive(Debug)]
struct MainPorts {
    /// Those from which nobody accepts yet.
    closed: Vec<Listener>,
    /// A second handle on each, so that it can be given to another router.
    shared: Vec<ListeningSocket>,
}

/// Why there is no router.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// A main port cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address from the settings.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start the router's threads")]
    Threads(#[source] io::Error),
    /// There are no random numbers.
    #[error(transparent)]
    Tickets(#[from] NoTicketKey),
}

/// How long connections that rest are kept after another router has taken over. A client that is in the middle of its
/// work sends its next request within that time, and learns from the answer that it is the connection's last.
const LINGER: Duration = Duration::from_secs(10);

impl Router {
    /// Takes the main ports. Nothing is accepted before `start`.
    pub fn bind(settings: RouterSettings) -> Result<BoundRouter, RouterError> {
        Self::take_over(settings, Vec::new())
    }

    /// The same, with the sockets of another router for those ports that the settings and the first table want.
    pub fn take_over(
        settings: RouterSettings,
        mut sockets: Vec<ListeningSocket>,
    ) -> Result<BoundRouter, RouterError> {
        let mut listen = |address, entrance| {
            let known = sockets.iter().position(|socket| socket.fits(entrance, address));
            match known.map(|index| sockets.swap_remove(index)) {
                Some(socket) => Listener::adopt(socket),
                None => Listener::bind(address, entrance),
            }
            .map_err(|source| RouterError::Bind { address, source })
        };
        let http = listen(settings.listen, Entrance::Http)?;
        let https = settings.listen_https.map(|address| listen(address, Entrance::Https)).transpose()?;
        Ok(BoundRouter { settings, http, https, inherited: sockets })
    }
}

impl BoundRouter {
    /// Where HTTP is served.
    pub fn http_address(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Where HTTPS is served, if it is.
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.https.as_ref().map(Listener::local_addr)
    }

    /// Starts the threads, and accepts. Until the first table is published, requests wait, and until there are
    /// certificates, every TLS handshake is refused.
    pub fn start(self) -> Result<(RouterHandle, AccessRecords), RouterError> {
        let (handle, records) = self.start_closed()?;
        handle.open();
        Ok((handle, records))
    }

    /// Starts the threads. Clients wait in the sockets' queues until [`RouterHandle::open`].
    pub fn start_closed(self) -> Result<(RouterHandle, AccessRecords), RouterError> {
        let table = Arc::new(ArcSwap::from_pointee(Table::default()));
        let tls = Arc::new(TlsState::new()?);
        let trust = Arc::new(ArcSwap::from_pointee(self.settings.trust.clone()));
        let (log, records) = AccessLog::new();
        let dropped_records = log.dropped();
        let (stop, stopped) = watch::channel(None);
        let (orders, received) = mpsc::unbounded_channel();
        let address = self.http_address().ip();
        let count =
            self.settings.workers.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let key = self.settings.signing_key.clone().unwrap_or_else(SigningKey::random);
        let counters: Vec<_> = (0..count).map(|_| Arc::<WorkerCounters>::default()).collect();
        let lobby = Arc::<WaitingRoom>::default();
        let parts = WorkerParts {
            table: Arc::clone(&table),
            lobby: Arc::clone(&lobby),
            tls: Arc::clone(&tls),
            trust: Arc::clone(&trust),
            settings: Arc::new(self.settings),
            log,
            stop: stopped,
            index: 0,
            counters: Arc::default(),
        };
        let workers = Workers::start(&parts, &counters, received).map_err(RouterError::Threads)?;
        let drains = Arc::<Drains>::default();
        let publisher_parts = PublisherParts { address, workers: count, key, drains: Arc::clone(&drains) };
        let main: Vec<Listener> = std::iter::once(self.http).chain(self.https).collect();
        let shared =
            main.iter().map(Listener::share).collect::<Result<_, _>>().map_err(RouterError::Threads)?;
        let publisher = Publisher::new(Arc::clone(&table), lobby, orders, publisher_parts);
        publisher.inherit(self.inherited);
        let inner = Inner {
            collector: Arc::new(RouterCollector {
                table: Arc::clone(&table),
                workers: counters,
                dropped_records: Arc::clone(&dropped_records),
                drains: Arc::clone(&drains),
            }),
            publisher,
            main: Mutex::new(MainPorts { closed: main, shared }),
            tls,
            trust,
            stop,
            dropped_records,
            running: Mutex::new(Some(workers)),
        };
        Ok((RouterHandle { inner: Arc::new(inner) }, records))
    }
}

impl RouterHandle {
    /// Puts a table in force. Requests under way are not touched, nor is anything of an instance that stays.
    ///
    /// Instances that are not in it any more get no new requests; [`RouterHandle::drain`] waits for their last.
    pub fn publish(&self, spec: &TableSpec) -> Result<Published, TableError> {
        self.inner.publisher.publish(spec)
    }

    /// Puts certificates, and what is asked of clients, in force, in place of all before. Connections that exist keep
    /// what they have.
    pub fn set_tls(&self, spec: &TlsSpec) {
        self.inner.tls.set(spec);
    }

    /// The same for certificates alone, which are shown for whatever host they cover.
    pub fn set_certificates(&self, certificates: Vec<Certificate>) {
        let default = certificates.into_iter().map(Arc::new).collect();
        self.set_tls(&TlsSpec { default, ..TlsSpec::default() });
    }

    /// Whether an app has a certificate of its own for a host, which has to be lower-case and without final dot.
    pub fn has_own_certificate(&self, host: &str) -> bool {
        self.inner.tls.certificates.load().has_own(host)
    }

    /// The keys of session tickets, for a process that goes on in place of this one.
    pub fn export_ticket_keys(&self) -> TicketKeys {
        self.inner.tls.tickets.export()
    }

    /// Goes on with the ticket keys of another process, so that its clients need no handshake in full.
    pub fn import_ticket_keys(&self, keys: &TicketKeys) -> Result<(), TicketKeysError> {
        self.inner.tls.tickets.import(keys)
    }

    /// Says what to answer to an authority that asks whether it may issue certificates, in place of all before.
    pub fn set_challenges(&self, challenges: Challenges) {
        self.inner.tls.challenges.store(Arc::new(challenges.into()));
    }

    /// Says what would become of a request.
    pub fn explain(&self, question: &Question) -> Explanation {
        explain::explain(&self.inner.publisher.table(), question)
    }

    /// Sets whose word on who asks is taken. Connections that exist go by what held when they began.
    pub fn set_trust(&self, trust: Trust) {
        self.inner.trust.store(Arc::new(trust));
    }

    /// Says whether a port of the host is open for the router already, or could be opened.
    pub fn check_port(&self, port: u16) -> io::Result<()> {
        self.inner.publisher.check_port(port)
    }

    /// Waits until nothing is under way to these containers, WebSockets included, for `deadline` at most.
    ///
    /// They get no new requests from now on, even where the table still has them. Ids that are not known are done.
    pub async fn drain(&self, ids: &[String], deadline: Duration) -> Drained {
        self.inner.publisher.drain(ids, deadline).await
    }

    /// Requests and upgraded connections under way to the instances of the table, by container id.
    pub fn in_flight(&self) -> Vec<(String, usize)> {
        self.inner.publisher.in_flight()
    }

    /// Requests that wait for an instance of an app, or for a place at one. Before the first table nobody knows for which one they do.
    pub fn waiting(&self, app: &str) -> usize {
        self.inner.publisher.waiting(app)
    }

    /// Access records that were dropped because nobody read them in time.
    pub fn dropped_records(&self) -> u64 {
        self.inner.dropped_records.load(Ordering::Relaxed)
    }

    /// Begins to accept at the main ports.
    pub fn open(&self) {
        for listener in self.main().closed.drain(..) {
            self.inner.publisher.open(listener);
        }
    }

    /// A second handle on each socket that is listened on, for [`Router::take_over`].
    pub fn listening_sockets(&self) -> io::Result<Vec<ListeningSocket>> {
        let mut sockets = self.inner.publisher.listening_sockets()?;
        for socket in &self.main().shared {
            sockets.push(socket.share()?);
        }
        Ok(sockets)
    }

    /// The instances of the table, and what is thought of each.
    pub fn instances(&self) -> Vec<InstanceStatus> {
        status::of_table(&self.inner.collector.table.load())
    }

    /// Everything that is counted, in the text form of OpenMetrics, which Prometheus reads.
    pub fn metrics(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(self.collector());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let written = encode(&mut text, &registry);
        debug_assert!(written.is_ok());
        text
    }

    /// The same for a registry that has other metrics as well.
    pub fn collector(&self) -> Box<dyn Collector> {
        Box::new(Arc::clone(&self.inner.collector))
    }

    /// Stops accepting, lets what is under way end, and after `deadline` cuts what has not.
    ///
    /// Says how many connections were cut. A second call can bring the end forward; it waits for nothing and says zero.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        let now = Instant::now();
        self.end(Ending { linger_until: now, cut_at: now + deadline, is_succeeded: false }).await
    }

    /// The same where another router accepts from the same sockets: no client is to notice.
    ///
    /// Connections that rest stay open for a moment, see [`RouterHandle::end_linger`].
    pub async fn leave(&self, deadline: Duration) -> usize {
        let now = Instant::now();
        self.end(Ending { linger_until: now + LINGER, cut_at: now + deadline, is_succeeded: true }).await
    }

    /// Closes connections that rest, of a router that leaves: its table is out of date from now on.
    pub fn end_linger(&self) {
        self.inner.stop.send_modify(|stop| {
            if let Some(ending) = stop {
                ending.linger_until = Instant::now();
            }
        });
    }

    async fn end(&self, ending: Ending) -> usize {
        self.inner.stop.send_replace(Some(ending));
        self.main().shared.clear();
        self.inner.publisher.close_handles();
        let workers = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(workers) = workers else { return 0 };
        tokio::task::spawn_blocking(|| workers.join()).await.unwrap_or_default()
    }

    fn main(&self) -> MutexGuard<'_, MainPorts> {
        self.inner.main.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
