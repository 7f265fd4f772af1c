//! TLS on the clients' side: the handshake, and what it brings about.
//!
//! A name that leads to no app is refused in the handshake, and so is one that no certificate covers: nobody is
//! ever shown the certificate of something else.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::{Acceptor, ClientHello};
use tokio_rustls::server::{StartHandshake, TlsStream};

use crate::certificates::{Certificates, Shown};
use crate::challenges::{self, Answers};
use crate::client_certificate::ClientCertificate;
use crate::table::Entrance;
use crate::tickets::{NoTicketKey, Tickets};
use crate::tls_spec::TlsSpec;
use crate::worker::Worker;

/// The alert `unrecognized_name` (RFC 6066, section 3), as a record of its own (RFC 8446, sections 5.1 and 6).
///
/// rustls itself would say `access_denied`, which tells a person nothing.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What handshakes are made with, shared by all workers. Each part is replaced as a whole.
#[derive(Debug)]
pub(crate) struct TlsState {
    /// What clients are shown.
    pub(crate) certificates: ArcSwap<Certificates>,
    /// What authorities that issue certificates are shown.
    pub(crate) challenges: ArcSwap<Answers>,
    /// What clients come back with.
    pub(crate) tickets: Arc<Tickets>,
}

/// What a handshake brought about.
#[derive(Debug)]
pub(crate) struct Encryption {
    /// The name that the client asked for.
    name: String,
    shown: Arc<Shown>,
    /// The certificate that the client has shown, if it was asked for one.
    pub(crate) client: Option<ClientCertificate>,
}

/// An encrypted connection.
type Encrypted = (TlsStream<TcpStream>, Encryption);

/// Why there is no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The client did not come to an end with it.
    #[error("the handshake took too long")]
    Timeout,
    /// The client did not come to an end with it, and others want to begin.
    #[error("too many handshakes are under way, and this was the oldest")]
    Displaced,
    /// The client asked for no name.
    #[error("the client asked for no name")]
    NoName,
    /// The client asked for a name that leads to no app or has no certificate.
    #[error("nothing to show for the name {0}")]
    UnknownName(String),
    /// The connection broke, or the two sides have nothing in common.
    #[error("the handshake failed")]
    Io(#[from] io::Error),
}

impl TlsState {
    pub(crate) fn new() -> Result<Self, NoTicketKey> {
        Ok(Self {
            certificates: ArcSwap::default(),
            challenges: ArcSwap::default(),
            tickets: Arc::new(Tickets::new()?),
        })
    }

    /// Puts certificates in force. Connections that exist keep theirs.
    pub(crate) fn set(&self, spec: &TlsSpec) {
        self.certificates.store(Arc::new(Certificates::build(spec, &self.tickets)));
    }
}

impl Encryption {
    /// Whether the client may ask for a host on this connection.
    ///
    /// It may be another than the one in the handshake if the certificate is for both: browsers join such
    /// connections (RFC 9110, section 7.4). Anything else was meant for another server, or means mischief; and so
    /// does asking for a host that wants another certificate of its clients, or any.
    pub(crate) fn is_for(&self, host: &str, certificates: &ArcSwap<Certificates>) -> bool {
        self.name == host
            || self.shown.certificate.covers(host)
                && *certificates.load().clients_of(host) == self.shown.clients
    }
}

/// Brings an encrypted connection about; none if it was an authority that only wanted to see a certificate (RFC 8737,
/// section 3).
pub(crate) async fn accept(
    worker: &Worker,
    stream: TcpStream,
    entrance: Entrance,
) -> Result<Option<Encrypted>, HandshakeError> {
    // One deadline for both halves: a client may not take the time twice.
    let deadline = Instant::now() + worker.settings.timeouts.handshake;
    let under_way = worker.handshakes.begin();
    tokio::select! {
        done = timeout_at(deadline, handshake(worker, stream, entrance)) => match done {
            Ok(result) => result,
            Err(_) => Err(HandshakeError::Timeout),
        },
        () = under_way.displaced() => Err(HandshakeError::Displaced),
    }
}

async fn handshake(
    worker: &Worker,
    stream: TcpStream,
    entrance: Entrance,
) -> Result<Option<Encrypted>, HandshakeError> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = server_name(&start.client_hello());
    if challenges::is_question(&start.client_hello()) {
        let known = name.as_deref().and_then(|name| worker.tls.challenges.load().for_name(name));
        let Some(config) = known else { return refuse(start, name).await };
        start.into_stream(config).await?.shutdown().await?;
        return Ok(None);
    }
    let Some(name) = name else { return refuse(start, None).await };
    let shown = match is_served(worker, &name, entrance) {
        true => worker.tls.certificates.load().choose(&name, &start.client_hello()),
        false => None,
    };
    let Some(shown) = shown else { return refuse(start, Some(name)).await };
    let stream = start.into_stream(Arc::clone(&shown.config)).await?;
    let client = stream.get_ref().1.peer_certificates().and_then(ClientCertificate::of);
    Ok(Some((stream, Encryption { name, shown, client })))
}

async fn refuse<T>(
    mut start: StartHandshake<TcpStream>,
    name: Option<String>,
) -> Result<Option<T>, HandshakeError> {
    start.io.write_all(&UNRECOGNIZED_NAME).await?;
    start.io.shutdown().await?;
    Err(name.map_or(HandshakeError::NoName, HandshakeError::UnknownName))
}

/// The name that the client asks for, in the form in which the table knows it.
pub(crate) fn server_name(hello: &ClientHello<'_>) -> Option<String> {
    let name = hello.server_name()?.to_ascii_lowercase();
    Some(name.strip_suffix('.').map_or_else(|| name.clone(), str::to_owned))
}

/// Whether a name leads to an app. Before the first table nothing is known of any name, and the request is told
/// to come back.
fn is_served(worker: &Worker, name: &str, entrance: Entrance) -> bool {
    let table = worker.table.load();
    table.is_first() || table.serves(name, entrance)
}
