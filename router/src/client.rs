//! One client's connection: what it speaks, and what its requests share.

mod http1;
mod http2;
pub(crate) mod opening;
mod pump;
mod streams;

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::header::HeaderMap;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::address_counts::AddressPlace;
use crate::client::opening::Spoken;
use crate::client_stream::watch::Watch;
use crate::client_stream::{ClientStream, ConnectionFlags};
use crate::forwarding::ForwardedBy;
use crate::metrics::worker::OpenConnection;
use crate::proxy_header;
use crate::table::Entrance;
use crate::tls::{self, Encryption};
use crate::transport::Transport;
use crate::trust::{ForwardedHeader, Trust};
use crate::worker::{Stopping, Worker};

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

/// What all requests of a connection share.
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
    pub(crate) encryption: Option<Encryption>,
    requests: Cell<u64>,
    #[expect(dead_code, reason = "held for its drop")]
    place: Option<AddressPlace>,
}

impl Client {
    fn new(
        worker: Rc<Worker>,
        arrival: Arrival,
        encryption: Option<Encryption>,
        place: Option<AddressPlace>,
    ) -> Self {
        let scheme = if arrival.entrance.is_encrypted() { "https" } else { "http" };
        let peer = arrival.peer.ip().to_canonical();
        let trust = worker.trust.load_full();
        let with_forwarded = trust.header == ForwardedHeader::Forwarded;
        Self {
            worker,
            peer,
            entrance: arrival.entrance,
            scheme,
            port: arrival.port,
            is_trusted: trust.proxies.contains(peer),
            trust,
            forwarded_by: ForwardedBy::new(peer, scheme, arrival.port, with_forwarded),
            flags: Arc::default(),
            encryption,
            requests: Cell::new(0),
            place,
        }
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

/// A connection whose client has begun to speak.
struct Begun {
    client: Rc<Client>,
    /// In a box: it is large, changes hands between what sleeps and what is awake, and a connection that rests is
    /// little else.
    stream: Box<ClientStream>,
    spoken: Spoken,
    open: OpenConnection,
}

/// Serves a connection to its end.
///
/// What it does is in boxes, since a connection's task is as large as the largest thing that it may do, for as long as
/// it lasts; and most of the time most of them rest.
pub(crate) async fn serve(worker: Rc<Worker>, accepted: Accepted, mut stopping: watch::Receiver<Stopping>) {
    let Some(begun) = Box::pin(begin(worker, accepted, &mut stopping)).await else { return };
    let Begun { client, stream, spoken, open: _open } = begun;
    match spoken {
        Spoken::Http1 => http1::serve(client, stream, stopping).await,
        Spoken::Http2 => {
            let _open = OpenConnection::begin(&client.worker, |counters| &counters.http2);
            Box::pin(http2::serve(client, stream, stopping)).await;
        }
    }
}

/// Waits until the client has begun to speak; none if it does not, or not so that it is understood.
async fn begin(
    worker: Rc<Worker>,
    accepted: Accepted,
    stopping: &mut watch::Receiver<Stopping>,
) -> Option<Begun> {
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
    if arrival.entrance.is_encrypted() {
        let open = OpenConnection::begin(&worker, |counters| &counters.encrypted);
        let (stream, encryption) = Box::pin(encrypt(&worker, stream, arrival)).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let spoken = if is_http2 { Spoken::Http2 } else { Spoken::Http1 };
        let client = Client::new(worker, arrival, Some(encryption), place);
        return Some(Begun::of(client, Transport::Tls(stream), Vec::new(), spoken, open));
    }
    let open = OpenConnection::begin(&worker, |counters| &counters.plain);
    let (spoken, ahead) = opening::read(&mut stream, worker.settings.timeouts, stopping).await?;
    let client = Client::new(worker, arrival, None, place);
    Some(Begun::of(client, Transport::Plain(stream), ahead, spoken, open))
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

impl Begun {
    fn of(
        client: Client,
        transport: Transport,
        ahead: Vec<u8>,
        spoken: Spoken,
        open: OpenConnection,
    ) -> Self {
        let (flags, timeouts) = (Arc::clone(&client.flags), client.worker.settings.timeouts);
        let stream = ClientStream::new(transport, ahead, Watch::of(spoken), flags, timeouts);
        Self { client: Rc::new(client), stream: Box::new(stream), spoken, open }
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
        fn size<F>(_: impl Fn(Rc<Worker>, Accepted, watch::Receiver<Stopping>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(serve) <= 640, "{}", size(serve));
    }
}
