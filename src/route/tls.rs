//! TLS on the clients' side: which certificate is shown for which name, and the handshake.
//!
//! A name that leads to no app is refused in the handshake, and so is one that no certificate covers: nobody is
//! ever shown the certificate of something else.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::certificate::Certificate;
use super::table::Entrance;
use super::worker::Worker;

/// The alert `unrecognized_name` (RFC 6066, section 3), as a record of its own (RFC 8446, sections 5.1 and 6).
///
/// rustls itself would say `access_denied`, which tells a person nothing.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// The certificates that are served: an immutable snapshot, replaced as a whole.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    all: Vec<Arc<Certificate>>,
}

/// Why there is no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The client did not come to an end with it.
    #[error("the handshake took too long")]
    Timeout,
    /// The client asked for no name, or for one that nobody has.
    #[error("no certificate for the name {0:?}")]
    Name(Option<String>),
    /// The connection broke, or the two sides have nothing in common.
    #[error("the handshake failed")]
    Io(#[from] io::Error),
}

impl Certificates {
    pub(super) fn new(certificates: Vec<Certificate>) -> Self {
        Self { all: certificates.into_iter().map(Arc::new).collect() }
    }

    /// The certificate for a host, if there is one; of several, the first.
    fn choose(&self, host: &str) -> Option<Arc<Certificate>> {
        self.all.iter().find(|certificate| certificate.covers(host)).map(Arc::clone)
    }
}

/// Brings an encrypted connection about, and says with which certificate.
pub(super) async fn accept(
    worker: &Worker,
    stream: TcpStream,
    entrance: Entrance,
) -> Result<(TlsStream<TcpStream>, Arc<Certificate>), HandshakeError> {
    // One deadline for both halves: a client may not take the time twice.
    let deadline = Instant::now() + worker.settings.timeouts.handshake;
    match timeout_at(deadline, handshake(worker, stream, entrance)).await {
        Ok(result) => result,
        Err(_) => Err(HandshakeError::Timeout),
    }
}

async fn handshake(
    worker: &Worker,
    stream: TcpStream,
    entrance: Entrance,
) -> Result<(TlsStream<TcpStream>, Arc<Certificate>), HandshakeError> {
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = server_name(&start);
    let found = name.as_deref().filter(|name| is_served(worker, name, entrance));
    let Some(certificate) = found.and_then(|name| worker.certificates.load().choose(name)) else {
        start.io.write_all(&UNRECOGNIZED_NAME).await?;
        start.io.shutdown().await?;
        return Err(HandshakeError::Name(name));
    };
    let config = Arc::clone(certificate.config());
    Ok((start.into_stream(config).await?, certificate))
}

/// The name that the client asks for, in the form in which the table knows it.
fn server_name(start: &StartHandshake<TcpStream>) -> Option<String> {
    let hello = start.client_hello();
    let name = hello.server_name()?.to_ascii_lowercase();
    Some(name.strip_suffix('.').map_or_else(|| name.clone(), str::to_owned))
}

/// Whether a name leads to an app. Before the first table nothing is known of any name, and the request is told
/// to come back.
fn is_served(worker: &Worker, name: &str, entrance: Entrance) -> bool {
    let table = worker.table.load();
    match table.find(name) {
        Some(route) => route.container_port(entrance).is_some(),
        None => table.is_first(),
    }
}
