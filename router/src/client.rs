//! One client's connection: what it speaks, and what its requests share.

mod http1;
mod http2;
pub(crate) mod opening;
mod streams;

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::header::HeaderMap;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::address_counts::AddressPlace;
use crate::client::opening::Spoken;
use crate::client_stream::{ClientStream, ConnectionFlags, Watch};
use crate::forwarding::ForwardedBy;
use crate::metrics::worker::OpenConnection;
use crate::proxy_header;
use crate::table::Entrance;
use crate::tls::{self, Encryption};
use crate::transport::Transport;
use crate::trust::{ForwardedHeader, Trust};
use crate::worker::Worker;

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

/// Serves a connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, accepted: Accepted, mut stopping: watch::Receiver<bool>) {
    let Accepted { stream, arrival, place } = accepted;
    let mut stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "cannot serve a connection");
            return;
        }
    };
    let arrival = match proxy_header::accept(&worker, &mut stream, arrival).await {
        Ok(arrival) => arrival,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(proxy = %arrival.peer, error, "a trusted proxy's connection is not served");
            return;
        }
    };
    if !arrival.entrance.is_encrypted() {
        let _open = OpenConnection::begin(&worker, |counters| &counters.plain);
        let timeouts = worker.settings.timeouts;
        let Some((spoken, ahead)) = opening::read(&mut stream, timeouts, &mut stopping).await else { return };
        let client = Client::new(worker, arrival, None, place);
        return serve_requests(client, Transport::Plain(stream), ahead, spoken, stopping).await;
    }
    let _open = OpenConnection::begin(&worker, |counters| &counters.encrypted);
    // In boxes, as a connection's task is as large as the largest thing that it may do.
    match Box::pin(tls::accept(&worker, stream, arrival.entrance)).await {
        Ok(Some((stream, encryption))) => {
            worker.counters.handshakes.increment();
            let client = Client::new(worker, arrival, Some(encryption), place);
            let spoken =
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 };
            serve_requests(client, Transport::Tls(Box::new(stream)), Vec::new(), spoken, stopping).await;
        }
        Ok(None) => tracing::debug!(client = %arrival.peer, "an authority was answered"),
        // Scanners do little else, so that it is no warning.
        Err(error) => {
            worker.counters.failed_handshakes.count(&error);
            let error = &error as &dyn std::error::Error;
            tracing::debug!(client = %arrival.peer, error, "no encrypted connection");
        }
    }
}

async fn serve_requests(
    client: Client,
    transport: Transport,
    ahead: Vec<u8>,
    spoken: Spoken,
    stopping: watch::Receiver<bool>,
) {
    let client = Rc::new(client);
    let (flags, timeouts) = (Arc::clone(&client.flags), client.worker.settings.timeouts);
    let stream = ClientStream::new(transport, ahead, Watch::of(spoken), flags, timeouts);
    match spoken {
        Spoken::Http1 => http1::serve(client, stream, stopping).await,
        // In a box, since a connection's task is as large as the largest thing that it may do.
        Spoken::Http2 => {
            let _open = OpenConnection::begin(&client.worker, |counters| &counters.http2);
            Box::pin(http2::serve(Rc::clone(&client), stream, stopping)).await;
        }
    }
}

/// Waits until the router stops.
async fn wait_for_stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that the router is gone, which is a reason to stop as well.
    if let Err(error) = stopping.wait_for(|stopping| *stopping).await {
        tracing::trace!(%error, "the router was dropped");
    }
}
