//! Listening sockets and how connections are dealt out.
//!
//! One of the workers accepts for all. It keeps a connection unless another worker has fewer, and hands it to that one
//! then, which wakes its thread: up to a tenth of what a connection with one request costs, so that it is done only where
//! there is something to be evened out. The alternatives wake more or deal worse. A thread that only accepts has to hand
//! over every connection. If all workers wait for one socket, each connection wakes all that rest. With a socket for
//! each worker (SO_REUSEPORT) the kernel deals connections out by hash: with few long connections (a load balancer in
//! front, WebSockets) some cores idle while others queue, and closing one such socket resets what waits in its queue,
//! which a restart without loss cannot have.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::net::{SocketFlags, acceptfrom_with};
use rustix::process::{Resource, getrlimit};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_local, yield_now};

use crate::address_counts::AddressCounts;
use crate::address_key::AddressKey;
use crate::client::{Accepted, Arrival};
use crate::listening_socket::{ListeningSocket, listen};
use crate::settings::RouterSettings;
use crate::table::Entrance;
use crate::trust::Trust;
use crate::worker::{Intake, Stop, WorkerDoor};

/// Connections that are accepted before those that are there already get a turn.
const TURN: usize = 16;
/// Pauses after a failed accept: from the first to the longest.
const BACK_OFF: Duration = Duration::from_millis(5);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    entrance: Entrance,
    address: SocketAddr,
}

/// What whoever accepts is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Accept from a further socket.
    Open(Listener),
    /// Close the socket of an entrance.
    Close(Entrance),
}

impl Listener {
    /// Binds a socket and listens, as [`listen`] does.
    pub(crate) fn bind(address: SocketAddr, entrance: Entrance) -> io::Result<Self> {
        Self::adopt(ListeningSocket { entrance, socket: listen(address)? })
    }

    /// Takes over a socket that listens already, with whatever waits in its queue.
    pub(crate) fn adopt(socket: ListeningSocket) -> io::Result<Self> {
        let ListeningSocket { entrance, socket } = socket;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, entrance, address })
    }

    /// A second handle on the socket. It goes on listening until all handles are closed.
    pub(crate) fn share(&self) -> io::Result<ListeningSocket> {
        Ok(ListeningSocket { entrance: self.entrance, socket: self.socket.try_clone()? })
    }

    /// The address, with the port that the kernel chose if none was asked for.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// To whom connections are handed, and how many an address may have.
#[derive(Debug)]
pub(crate) struct Doors {
    /// All workers but the one that accepts.
    others: Vec<WorkerDoor>,
    /// Connections that there may be.
    most: usize,
    limit: Option<(Arc<AddressCounts>, NonZeroU32)>,
    /// Its proxies have as many connections as they like: behind each are many clients.
    trust: Arc<ArcSwap<Trust>>,
}

impl Doors {
    pub(crate) fn new(
        others: Vec<WorkerDoor>,
        settings: &RouterSettings,
        trust: Arc<ArcSwap<Trust>>,
    ) -> Self {
        let most = settings.max_connections.unwrap_or_else(most_connections);
        let limit = settings.max_connections_per_address.map(|most| (Arc::default(), most));
        Self { others, most, limit, trust }
    }

    /// Whether there are as many connections as there may be.
    fn are_full(&self, here: &Intake) -> bool {
        let elsewhere: usize = self.others.iter().map(WorkerDoor::connections).sum();
        here.connections() + elsewhere >= self.most
    }

    /// Deals a connection out, or closes it if its client has as many as it may.
    async fn deal(&self, here: &Intake, stream: TcpStream, arrival: Arrival) {
        let place = match &self.limit {
            None => None,
            Some(_) if self.trust.load().proxies.contains(arrival.peer.ip()) => None,
            Some((counts, most)) => {
                let place = AddressCounts::enter(counts, AddressKey::from(arrival.peer.ip()), *most);
                if place.is_none() {
                    tracing::debug!(client = %arrival.peer, "a client has too many connections");
                    return;
                }
                place
            }
        };
        let accepted = Accepted { stream, arrival, place };
        match self.others.iter().min_by_key(|other| other.connections()) {
            Some(other) if other.connections() < here.connections() => other.hand(accepted).await,
            _ => here.serve(accepted),
        }
    }
}

/// Accepts on a worker's thread until the router stops or its handle is gone.
pub(crate) async fn run(
    doors: Doors,
    here: Intake,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut stop: watch::Receiver<Stop>,
) {
    let dealing = Rc::new((doors, here));
    let open = |listener: Listener| {
        let (close, closed) = watch::channel(false);
        let entrance = listener.entrance;
        let task = spawn_local(accept_from(listener, Rc::clone(&dealing), closed));
        (entrance, Open { close, task })
    };
    let mut listening = HashMap::new();
    let mut closing = Vec::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Open(listener)) => {
                    let (entrance, opened) = open(listener);
                    listening.insert(entrance, opened);
                }
                Some(Order::Close(entrance)) => {
                    closing.retain(|open: &Open| !open.task.is_finished());
                    closing.extend(listening.remove(&entrance).inspect(Open::close));
                }
                None => break,
            },
            // An error means that the handle is gone.
            _ = stop.wait_for(Option::is_some) => break,
        }
    }
    closing.extend(listening.into_values().inspect(Open::close));
    for open in closing {
        if let Err(error) = open.task.await {
            tracing::error!(%error, "an accept loop failed");
        }
    }
}

/// A socket that is being accepted from.
struct Open {
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Open {
    fn close(&self) {
        self.close.send_replace(true);
    }
}

/// Accepts until told to stop, and then what is left in the queue: its clients have been told that they are
/// connected.
async fn accept_from(listener: Listener, dealing: Rc<(Doors, Intake)>, mut closed: watch::Receiver<bool>) {
    let Listener { socket, entrance, address } = listener;
    let port = address.port();
    let (doors, here) = &*dealing;
    // tokio's own listener would register each accepted socket here, only for it to be taken out again on its way
    // to another worker: two system calls a connection.
    #[expect(
        deprecated,
        reason = "a TcpListener keeps one descriptor for life; the replacement needs unsafe"
    )]
    let registered = AsyncFd::new(socket);
    let socket = match registered {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%address, %error, "cannot wait for connections");
            return;
        }
    };
    let mut back_off = BACK_OFF;
    loop {
        let mut ready = tokio::select! {
            ready = socket.readable() => match ready {
                Ok(ready) => ready,
                Err(error) => {
                    back_off = pause(&error, address, back_off).await;
                    continue;
                }
            },
            _ = closed.wait_for(|closed| *closed) => break,
        };
        if doors.are_full(here) {
            let error = io::Error::other("as many clients are connected as may be");
            back_off = pause(&error, address, back_off).await;
            continue;
        }
        let mut left = TURN;
        while let Ok(accepted) = ready.try_io(|socket| accept(socket.get_ref())) {
            match accepted {
                Ok((stream, peer)) => {
                    back_off = BACK_OFF;
                    doors.deal(here, stream, Arrival { peer, entrance, port }).await;
                }
                Err(error) => back_off = pause(&error, address, back_off).await,
            }
            left -= 1;
            if left == 0 {
                yield_now().await;
                break;
            }
        }
    }
    while let Ok((stream, peer)) = accept(socket.get_ref()) {
        doors.deal(here, stream, Arrival { peer, entrance, port }).await;
    }
}

/// Accepts a connection. What it gives is non-blocking from the beginning, which the standard library cannot ask for.
fn accept(socket: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = acceptfrom_with(socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    // The socket was opened for TCP, so that its peers have such an address.
    let peer = peer.ok_or(io::ErrorKind::InvalidData)?;
    Ok((TcpStream::from(stream), peer))
}

/// Waits after a failed accept. Most failures pass by themselves: a client that is gone already, or a limit on
/// open files, where trying again at once would only burn a core.
async fn pause(error: &io::Error, address: SocketAddr, back_off: Duration) -> Duration {
    if is_about_one_connection(error) {
        return BACK_OFF;
    }
    tracing::warn!(%address, %error, pause_ms = back_off.as_millis() as u64, "cannot accept a connection");
    tokio::time::sleep(back_off).await;
    (back_off * 2).min(LONGEST_BACK_OFF)
}

/// How many connections leave enough descriptors for those to instances, for files and for everything else.
fn most_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors / 4 * 3).unwrap_or(usize::MAX)
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
