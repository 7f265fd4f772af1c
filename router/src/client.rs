//! One client's connection: served by hyper, request after request, until either side has had enough.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::certificate::Certificate;
use crate::client_stream::{ClientStream, ConnectionFlags};
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::forward_headers::ForwardedBy;
use crate::proxy;
use crate::table::Entrance;
use crate::tls;
use crate::transport::Transport;
use crate::worker::Worker;

/// A connection that was accepted and not yet served.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket, non-blocking.
    pub(crate) stream: std::net::TcpStream,
    /// Where it came from and in.
    pub(crate) arrival: Arrival,
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
    pub(crate) peer: IpAddr,
    pub(crate) entrance: Entrance,
    pub(crate) scheme: &'static str,
    pub(crate) forwarded_by: ForwardedBy,
    pub(crate) flags: Arc<ConnectionFlags>,
    /// The certificate that the client was shown.
    certificate: Option<Arc<Certificate>>,
    requests: Cell<u64>,
}

impl Client {
    fn new(worker: Rc<Worker>, arrival: Arrival, certificate: Option<Arc<Certificate>>) -> Self {
        let scheme = if arrival.entrance.is_encrypted() { "https" } else { "http" };
        let peer = arrival.peer.ip();
        Self {
            worker,
            peer,
            entrance: arrival.entrance,
            scheme,
            forwarded_by: ForwardedBy::new(peer, scheme, arrival.port),
            flags: Arc::default(),
            certificate,
            requests: Cell::new(0),
        }
    }

    /// Counts a request. The numbers are those of [`crate::head_watch::Offences`].
    pub(crate) fn next_request(&self) -> u64 {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        number
    }

    /// Whether the client may ask for a host on this connection.
    ///
    /// It may be another than the one in the handshake if the certificate is for both: browsers join such
    /// connections (RFC 9110, section 7.4). Anything else was meant for another server, or means mischief.
    pub(crate) fn may_ask_for(&self, host: &str) -> bool {
        self.certificate.as_ref().is_none_or(|certificate| certificate.covers(host))
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, accepted: Accepted, stopping: watch::Receiver<bool>) {
    let Accepted { stream, arrival } = accepted;
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "cannot serve a connection");
            return;
        }
    };
    if !arrival.entrance.is_encrypted() {
        let client = Client::new(worker, arrival, None);
        return serve_requests(client, Transport::Plain(stream), stopping).await;
    }
    match tls::accept(&worker, stream, arrival.entrance).await {
        Ok((stream, certificate)) => {
            let client = Client::new(worker, arrival, Some(certificate));
            serve_requests(client, Transport::Tls(Box::new(stream)), stopping).await;
        }
        // Scanners do little else, so that it is no warning.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(client = %arrival.peer, error, "no encrypted connection");
        }
    }
}

async fn serve_requests(client: Client, transport: Transport, stopping: watch::Receiver<bool>) {
    let client = Rc::new(client);
    let settings = &client.worker.settings;
    let io = TokioIo::new(ClientStream::new(transport, Arc::clone(&client.flags), settings.timeouts));
    let service = service_fn(|request| {
        let (client, answer) = (Rc::clone(&client), proxy::serve(Rc::clone(&client), request));
        async move {
            let mut answer = answer.await;
            if client.worker.is_ending() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's deadline covers the rest between requests as well; the one for heads is the stream's.
        .header_read_timeout(settings.timeouts.keep_alive)
        // The buffer alone may overshoot, and the limit alone would let it grow.
        .max_header_size(settings.max_head_bytes)
        .max_buf_size(settings.max_head_bytes)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stopped = pin!(wait_for_stop(stopping));
    let mut is_stopping = false;
    let result = poll_fn(|cx| {
        if !is_stopping && stopped.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = result {
        if error.is_parse_too_large() {
            Exchange::refused(&client, Fault::HeadTooLarge);
        } else if error.is_parse() {
            Exchange::refused(&client, Fault::BadRequest("The request is not valid HTTP"));
        }
        // Clients go away in every state; what matters of it is in the access log.
        tracing::trace!(%error, "a client's connection ended");
    }
}

async fn wait_for_stop(mut stopping: watch::Receiver<bool>) {
    // An error means that the router is gone, which is a reason to stop as well.
    if let Err(error) = stopping.wait_for(|stopping| *stopping).await {
        tracing::trace!(%error, "the router was dropped");
    }
}
