//! Replacing the route table: what stays keeps its state, what goes is retired and can be waited for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::instance::Instance;
use crate::listener::{Listener, Order};
use crate::listening_socket::ListeningSocket;
use crate::memory::{AppMemory, Memories};
use crate::metrics::drains::Drains;
use crate::settings::SigningKey;
use crate::table::{Entrance, InstanceRoute, PortRoute, Table, TableError, TableSpec};
use crate::waiting::WaitingRoom;

/// What came of a publication. The table is in force either way.
#[derive(Debug, Default)]
pub struct Published {
    /// Ports that could not be opened. The next publication tries them again.
    pub unbound: Vec<UnboundPort>,
}

/// A port that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on port {port}")]
pub struct UnboundPort {
    /// The port.
    pub port: u16,
    /// Why.
    pub source: io::Error,
}

/// What came of a drain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Instances with requests under way at the deadline, and how many.
    pub busy: Vec<(String, usize)>,
}

impl Drained {
    /// Whether all requests ended in time.
    pub fn is_complete(&self) -> bool {
        self.busy.is_empty()
    }
}

/// What a publisher has to know of the rest of the router.
#[derive(Debug)]
pub(crate) struct PublisherParts {
    /// Where further ports are opened.
    pub(crate) address: IpAddr,
    /// How many workers there are.
    pub(crate) workers: usize,
    /// What cookies are signed with.
    pub(crate) key: SigningKey,
    /// Where drains are counted.
    pub(crate) drains: Arc<Drains>,
}

/// The writing side of the table.
#[derive(Debug)]
pub(crate) struct Publisher {
    table: Arc<ArcSwap<Table>>,
    lobby: Arc<WaitingRoom>,
    orders: mpsc::UnboundedSender<Order>,
    parts: PublisherParts,
    /// Protects the state against two publications at once. Held while sockets are bound, never across an await.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: HashMap<(String, IpAddr), Arc<Instance>>,
    retiring: Vec<Weak<Instance>>,
    memories: Memories,
    /// The ports that are open, each with a handle of its socket, so that it can be given to another router.
    open: BTreeMap<(u16, Entrance), ListeningSocket>,
    /// Sockets of another router, for ports that the first table may want.
    inherited: Vec<ListeningSocket>,
}

impl Publisher {
    pub(crate) fn new(
        table: Arc<ArcSwap<Table>>,
        lobby: Arc<WaitingRoom>,
        orders: mpsc::UnboundedSender<Order>,
        parts: PublisherParts,
    ) -> Self {
        Self { table, lobby, orders, parts, state: Mutex::default() }
    }

    /// The table in force.
    pub(crate) fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.table.load()
    }

    /// Takes sockets on for ports that the first table may want; what it does not want is closed by it.
    pub(crate) fn inherit(&self, sockets: Vec<ListeningSocket>) {
        self.state().inherited = sockets;
    }

    /// Begins to accept from a socket.
    pub(crate) fn open(&self, listener: Listener) {
        self.order(Order::Open(listener));
    }

    /// Closes the second handles: a socket that another router closes has to be closed here, too.
    pub(crate) fn close_handles(&self) {
        let mut state = self.state();
        state.open.clear();
        state.inherited.clear();
    }

    /// A second handle on the socket of each port that is open for an app.
    pub(crate) fn listening_sockets(&self) -> io::Result<Vec<ListeningSocket>> {
        self.state().open.values().map(ListeningSocket::share).collect()
    }

    /// Puts a table in force, or leaves everything as it is.
    pub(crate) fn publish(&self, spec: &TableSpec) -> Result<Published, TableError> {
        let mut state = self.state();
        let mut next = HashMap::new();
        let memories = state.memories(spec, self.parts.workers);
        let key = &self.parts.key;
        let table = Table::build(spec, &memories, key, |route| state.instance(&mut next, route))?;
        let wanted = wanted_ports(spec);
        // New ports are opened first and old ones closed last, so that no port is ever closed for nothing.
        let unbound = self.open_ports(&mut state, &wanted);
        for instance in next.values() {
            instance.set_retired(false);
        }
        self.table.store(Arc::new(table));
        state.replace(next);
        let memories_before = std::mem::replace(&mut state.memories, memories);
        // Also those of apps that are gone: whoever waits there has to learn it.
        state.memories.values().chain(memories_before.values()).for_each(|memory| memory.wake());
        self.lobby.wake();
        state.inherited.clear();
        let closing: Vec<_> = state.open.keys().filter(|port| !wanted.contains(port)).copied().collect();
        for (port, entrance) in closing {
            state.open.remove(&(port, entrance));
            self.order(Order::Close(entrance));
        }
        Ok(Published { unbound })
    }

    fn open_ports(&self, state: &mut State, wanted: &BTreeSet<(u16, Entrance)>) -> Vec<UnboundPort> {
        let mut unbound = Vec::new();
        let missing: Vec<_> = wanted.iter().filter(|port| !state.open.contains_key(port)).copied().collect();
        for (port, entrance) in missing {
            let opened = self.listen(state, port, entrance).and_then(|new| Ok((new.share()?, new)));
            match opened {
                Ok((shared, listener)) => {
                    state.open.insert((port, entrance), shared);
                    self.order(Order::Open(listener));
                }
                Err(source) => unbound.push(UnboundPort { port, source }),
            }
        }
        unbound
    }

    /// The socket for a port: one that was inherited, or a new one.
    fn listen(&self, state: &mut State, port: u16, entrance: Entrance) -> io::Result<Listener> {
        let address = SocketAddr::new(self.parts.address, port);
        match state.inherited.iter().position(|socket| socket.fits(entrance, address)) {
            Some(index) => Listener::adopt(state.inherited.swap_remove(index)),
            None => Listener::bind(address, entrance),
        }
    }

    /// Says whether a port is open, or could be.
    pub(crate) fn check_port(&self, port: u16) -> io::Result<()> {
        if self.state().open.keys().any(|(open, _)| *open == port) {
            return Ok(());
        }
        Listener::bind(SocketAddr::new(self.parts.address, port), Entrance::Port(port)).map(drop)
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::debug!("the router has stopped, so its ports stay as they are");
        }
    }

    /// Takes instances out of the choice and waits for what is under way to them.
    pub(crate) async fn drain(&self, ids: &[String], deadline: Duration) -> Drained {
        let deadline = Instant::now() + deadline;
        let mut drained = Drained::default();
        let drain = self.parts.drains.begin();
        for instance in self.retire(ids) {
            if timeout_at(deadline, instance.wait_idle()).await.is_err() {
                drained.busy.push((instance.id.clone(), instance.in_flight()));
            }
        }
        drain.end(drained.is_complete());
        drained
    }

    fn retire(&self, ids: &[String]) -> Vec<Arc<Instance>> {
        let state = self.state();
        let retiring = state.retiring.iter().filter_map(Weak::upgrade);
        let all = state.current.values().cloned().chain(retiring);
        let found: Vec<_> = all.filter(|instance| ids.contains(&instance.id)).collect();
        for instance in &found {
            instance.set_retired(true);
        }
        found
    }

    /// Requests and upgraded connections under way, by instance.
    pub(crate) fn in_flight(&self) -> Vec<(String, usize)> {
        let state = self.state();
        state.current.values().map(|instance| (instance.id.clone(), instance.in_flight())).collect()
    }

    /// Requests that wait for an app, or for the first table if there is none yet.
    pub(crate) fn waiting(&self, app: &str) -> usize {
        let state = self.state();
        let waiting = |memory: &Arc<AppMemory>| memory.room.waiting() + memory.queue.waiting();
        state.memories.get(app).map_or_else(|| self.lobby.waiting(), waiting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding it left a state that is still whole: every step is one insertion.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The instance as it is known, or as a new one.
    fn instance(
        &self,
        next: &mut HashMap<(String, IpAddr), Arc<Instance>>,
        route: &InstanceRoute,
    ) -> Arc<Instance> {
        let key = (route.id.clone(), route.address);
        let known = next.get(&key).or_else(|| self.current.get(&key)).cloned();
        let instance = known.unwrap_or_else(|| Arc::new(Instance::new(route)));
        next.insert(key, Arc::clone(&instance));
        instance
    }

    /// A memory for each app: the one that it has, or a new one.
    fn memories(&self, spec: &TableSpec, workers: usize) -> Memories {
        let new = || Arc::new(AppMemory::new(workers));
        let memory = |app: &Arc<str>| self.memories.get(app).cloned().unwrap_or_else(new);
        spec.apps.iter().map(|routes| (Arc::clone(&routes.app), memory(&routes.app))).collect()
    }

    fn replace(&mut self, next: HashMap<(String, IpAddr), Arc<Instance>>) {
        self.retiring.retain(|instance| instance.strong_count() > 0);
        let before = std::mem::replace(&mut self.current, next);
        for (key, instance) in before {
            if !self.current.contains_key(&key) {
                instance.set_retired(true);
                self.retiring.push(Arc::downgrade(&instance));
            }
        }
    }
}

fn wanted_ports(spec: &TableSpec) -> BTreeSet<(u16, Entrance)> {
    let ports = spec.apps.iter().flat_map(|app| &app.ports);
    ports
        .filter_map(|&PortRoute { entrance, .. }| match entrance {
            Entrance::Port(port) | Entrance::EncryptedPort(port) => Some((port, entrance)),
            Entrance::Http | Entrance::Https => None,
        })
        .collect()
}
