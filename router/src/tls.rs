//! TLS on the clients' side: which certificate is shown for which name, and the handshake.
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
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use crate::certificate::Certificate;
use crate::challenges::{self, Answers};
use crate::table::Entrance;
use crate::worker::Worker;

/// The alert `unrecognized_name` (RFC 6066, section 3), as a record of its own (RFC 8446, sections 5.1 and 6).
///
/// rustls itself would say `access_denied`, which tells a person nothing.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// The certificates that are served: an immutable snapshot, replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    all: Vec<Arc<Certificate>>,
}

/// What handshakes show, shared by all workers. Each part is replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// To clients.
    pub(crate) certificates: ArcSwap<Certificates>,
    /// To authorities that issue certificates.
    pub(crate) challenges: ArcSwap<Answers>,
}

/// Why there is no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The client did not come to an end with it.
    #[error("the handshake took too long")]
    Timeout,
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

impl Certificates {
    pub(crate) fn new(certificates: Vec<Certificate>) -> Self {
        Self { all: certificates.into_iter().map(Arc::new).collect() }
    }

    /// The certificate for a host, if there is one; of several, the first.
    fn choose(&self, host: &str) -> Option<Arc<Certificate>> {
        self.all.iter().find(|certificate| certificate.covers(host)).map(Arc::clone)
    }
}

/// An encrypted connection, and what was shown for it.
type Encrypted = (TlsStream<TcpStream>, Arc<Certificate>);

/// Brings an encrypted connection about, and says with which certificate; none if it was an authority that only
/// wanted to see one (RFC 8737, section 3).
pub(crate) async fn accept(
    worker: &Worker,
    stream: TcpStream,
    entrance: Entrance,
) -> Result<Option<Encrypted>, HandshakeError> {
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
) -> Result<Option<Encrypted>, HandshakeError> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = server_name(&start);
    if challenges::is_question(&start.client_hello()) {
        let Some(config) = name.as_deref().and_then(|name| worker.shown.challenges.load().for_name(name))
        else {
            return refuse(start, name).await;
        };
        start.into_stream(config).await?.shutdown().await?;
        return Ok(None);
    }
    let found = name.as_deref().filter(|name| is_served(worker, name, entrance));
    let Some(certificate) = found.and_then(|name| worker.shown.certificates.load().choose(name)) else {
        return refuse(start, name).await;
    };
    let config = Arc::clone(certificate.config());
    Ok(Some((start.into_stream(config).await?, certificate)))
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
fn server_name(start: &StartHandshake<TcpStream>) -> Option<String> {
    let hello = start.client_hello();
    let name = hello.server_name()?.to_ascii_lowercase();
    Some(name.strip_suffix('.').map_or_else(|| name.clone(), str::to_owned))
}

/// Whether a name leads to an app. Before the first table nothing is known of any name, and the request is told
/// to come back.
fn is_served(worker: &Worker, name: &str, entrance: Entrance) -> bool {
    let table = worker.table.load();
    table.is_first() || table.serves(name, entrance)
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    fn certificate(name: &str) -> Certificate {
        let made = generate_simple_self_signed([name.to_owned()]).unwrap();
        Certificate::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes())
            .unwrap()
    }

    #[test]
    fn the_certificate_is_the_one_for_the_name_or_none() {
        let certificates =
            Certificates::new(vec![certificate("shop.example"), certificate("*.apps.example")]);
        let chosen = |host: &str| {
            let chosen = certificates.choose(host)?;
            chosen.names().next().map(str::to_owned)
        };
        assert_eq!(chosen("shop.example").as_deref(), Some("shop.example"));
        assert_eq!(chosen("blog.apps.example").as_deref(), Some("*.apps.example"));
        for host in ["apps.example", "a.b.apps.example", "other.example", ""] {
            assert_eq!(chosen(host), None, "{host}");
        }
        assert!(Certificates::default().choose("shop.example").is_none());
    }
}
