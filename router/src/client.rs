//! One client's connection: what it speaks, and what its requests share.

mod http1;
mod http2;
pub(crate) mod opening;
mod streams;

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::header::HeaderMap;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::address_counts::AddressPlace;
use crate::client::opening::Spoken;
use crate::client_stream::socket::Socket;
use crate::client_stream::watch::Watch;
use crate::client_stream::{ClientStream, ConnectionFlags};
use crate::forwarding::ForwardedBy;
use crate::metrics::worker::OpenConnection;
use crate::proxy_header;
use crate::table::Entrance;
use crate::tls::{self, Encryption};
use crate::transport::Transport;
use crate::trust::{ForwardedHeader, Trust};
use crate::worker::{ConnectionCount, Stopping, Worker};

/// A connection that was accepted and not yet served.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket, non-blocking.
    pub(crate) stream: std::net::TcpStream,
    /// Where it came from and in.
    pub(crate) arrival: Arrival,
    /// Its place in the count of its client's connections, where there is a limit.
    pub(crate) place: Option<AddressPlace>,
}

/// Where a connection came from and in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The client.
    pub(crate) peer: SocketAddr,
    /// The listener.
    pub(crate) entrance: Entrance,
    /// The listener's port.
    pub(crate) port: u16,
}

/// Who is connected: what has to be known of a connection that rests, since nobody can be asked again.
#[derive(Debug)]
pub(crate) struct Caller {
    worker: Rc<Worker>,
    /// The socket's other end, or whom a PROXY header named.
    peer: IpAddr,
    entrance: Entrance,
    port: u16,
    /// What held when the connection began.
    trust: Arc<Trust>,
    encryption: Option<Rc<Encryption>>,
    place: Option<Rc<AddressPlace>>,
    #[expect(dead_code, reason = "held for its drop")]
    open: OpenConnection,
}

/// What all requests of a connection share, while there are any.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    /// The socket's other end, or whom a PROXY header named.
    pub(crate) peer: IpAddr,
    pub(crate) entrance: Entrance,
    pub(crate) scheme: &'static str,
    pub(crate) port: u16,
    pub(crate) trust: Arc<Trust>,
    /// Whether the peer is one of the proxies whose word is taken.
    pub(crate) is_trusted: bool,
    pub(crate) forwarded_by: ForwardedBy,
    pub(crate) flags: Arc<ConnectionFlags>,
    /// What came of the handshake, if there was one.
    pub(crate) encryption: Option<Rc<Encryption>>,
    requests: Cell<u64>,
    #[expect(dead_code, reason = "held for its drop")]
    place: Option<Rc<AddressPlace>>,
}

impl Caller {
    /// Serves it to the end. `ahead` was read already.
    fn serve(
        self,
        spoken: Spoken,
        transport: Transport,
        ahead: Vec<u8>,
        stopping: watch::Receiver<Stopping>,
    ) -> Serving {
        let socket = Socket::new(transport);
        match spoken {
            Spoken::Http1 => Box::pin(http1::serve(self, socket, ahead, stopping)),
            Spoken::Http2 => Box::pin(http2::serve(self, socket, ahead, stopping)),
        }
    }

    /// What its requests are to share.
    fn client(&self) -> Rc<Client> {
        let Self { worker, peer, entrance, port, trust, encryption, .. } = self;
        let scheme = if entrance.is_encrypted() { "https" } else { "http" };
        let with_forwarded = trust.header == ForwardedHeader::Forwarded;
        Rc::new(Client {
            worker: Rc::clone(worker),
            peer: *peer,
            entrance: *entrance,
            scheme,
            port: *port,
            is_trusted: trust.proxies.contains(*peer),
            trust: Arc::clone(trust),
            forwarded_by: ForwardedBy::new(*peer, scheme, *port, with_forwarded),
            flags: Arc::default(),
            encryption: encryption.clone(),
            requests: Cell::new(0),
            place: self.place.clone(),
        })
    }
}

impl Client {
    /// The connection with what is watched over, on which something was read already.
    fn stream(&self, socket: Socket, ahead: Vec<u8>, spoken: Spoken) -> Box<ClientStream> {
        let timeouts = self.worker.settings.timeouts;
        Box::new(ClientStream::new(socket, ahead, Watch::of(spoken), Arc::clone(&self.flags), timeouts))
    }

    /// Counts a request. The numbers are those of [`crate::head_watch::Offences`].
    pub(crate) fn next_request(&self) -> u64 {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        self.flags.served.store(number, Ordering::Relaxed);
        number
    }

    /// How many requests were counted.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Tells an app of the certificate that the client has shown, if it has.
    pub(crate) fn tell_certificate(&self, headers: &mut HeaderMap) {
        if let Some(certificate) = self.encryption.as_ref().and_then(|encryption| encryption.client.as_ref())
        {
            certificate.tell(headers);
        }
    }

    /// Whether the client may ask for a host on this connection.
    pub(crate) fn may_ask_for(&self, host: &str) -> bool {
        let certificates = &self.worker.tls.certificates;
        self.encryption.as_ref().is_none_or(|encryption| encryption.is_for(host, certificates))
    }
}

/// What is left to be done of a connection.
type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Serves a connection to its end.
///
/// What it does is in boxes, since a connection's task is as large as the largest thing that it may do, for as long as
/// it lasts; and most of the time most of them rest.
pub(crate) fn serve(
    worker: Rc<Worker>,
    accepted: Accepted,
    count: ConnectionCount,
    stopping: watch::Receiver<Stopping>,
) -> impl Future<Output = ()> {
    let begun = Box::pin(begin(worker, accepted, stopping));
    async move {
        if let Some(serving) = begun.await {
            serving.await;
        }
        drop(count);
    }
}

/// Waits until the client has begun to speak; none if it does not, or not so that it is understood.
async fn begin(
    worker: Rc<Worker>,
    accepted: Accepted,
    mut stopping: watch::Receiver<Stopping>,
) -> Option<Serving> {
    let Accepted { stream, arrival, place } = accepted;
    let stream = TcpStream::from_std(stream);
    let mut stream = stream.inspect_err(|error| tracing::warn!(%error, "cannot serve a connection")).ok()?;
    let arrival = match proxy_header::accept(&worker, &mut stream, arrival).await {
        Ok(arrival) => arrival,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(proxy = %arrival.peer, error, "a trusted proxy's connection is not served");
            return None;
        }
    };
    let (peer, entrance, port) = (arrival.peer.ip().to_canonical(), arrival.entrance, arrival.port);
    let (trust, place) = (worker.trust.load_full(), place.map(Rc::new));
    if arrival.entrance.is_encrypted() {
        let open = OpenConnection::begin(&worker, |counters| &counters.encrypted);
        let (stream, encryption) = Box::pin(encrypt(&worker, stream, arrival)).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let spoken = if is_http2 { Spoken::Http2 } else { Spoken::Http1 };
        let caller = Caller {
            worker,
            peer,
            entrance,
            port,
            trust,
            encryption: Some(Rc::new(encryption)),
            place,
            open,
        };
        return Some(caller.serve(spoken, Transport::Tls(stream), Vec::new(), stopping));
    }
    let open = OpenConnection::begin(&worker, |counters| &counters.plain);
    let (spoken, ahead) = opening::read(&mut stream, worker.settings.timeouts, &mut stopping).await?;
    let caller = Caller { worker, peer, entrance, port, trust, encryption: None, place, open };
    Some(caller.serve(spoken, Transport::Plain(stream), ahead, stopping))
}

/// Brings an encrypted connection about; none if that fails, or is all that was wanted.
async fn encrypt(
    worker: &Worker,
    stream: TcpStream,
    arrival: Arrival,
) -> Option<(Box<TlsStream<TcpStream>>, Encryption)> {
    match tls::accept(worker, stream, arrival.entrance).await {
        Ok(Some((stream, encryption))) => {
            worker.counters.handshakes.increment();
            Some((Box::new(stream), encryption))
        }
        Ok(None) => {
            tracing::debug!(client = %arrival.peer, "an authority was answered");
            None
        }
        // Scanners do little else, so that it is no warning.
        Err(error) => {
            worker.counters.failed_handshakes.count(&error);
            let error = &error as &dyn std::error::Error;
            tracing::debug!(client = %arrival.peer, error, "no encrypted connection");
            None
        }
    }
}

/// Waits until the router stops, at least so much.
async fn wait_for_stop(stopping: &mut watch::Receiver<Stopping>, least: Stopping) {
    // An error means that the router is gone, which is a reason to stop as well.
    if let Err(error) = stopping.wait_for(|stopping| *stopping >= least).await {
        tracing::trace!(%error, "the router was dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most connections rest, and each holds this much as long as it lasts.
    #[test]
    fn what_a_connection_rests_in_is_small() {
        fn size<F>(
            _: impl Fn(Rc<Worker>, Accepted, ConnectionCount, watch::Receiver<Stopping>) -> F,
        ) -> usize {
            size_of::<F>()
        }
        fn size_awake<F>(_: impl Fn(Caller, Socket, Vec<u8>, watch::Receiver<Stopping>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(serve) <= 64, "{}", size(serve));
        assert!(size_awake(http1::serve) <= 512, "{}", size_awake(http1::serve));
    }
}
