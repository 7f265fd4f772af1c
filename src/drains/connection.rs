//! One connection to a drain's host, encrypted or not.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_util::sync::CancellationToken;

use rustls_platform_verifier::Verifier;

use crate::model::drain_url::DrainUrl;

/// For a connection and its handshake.
const CONNECT: Duration = Duration::from_secs(15);
/// For a piece of what is sent to be taken.
const PIECE_TIME: Duration = Duration::from_secs(30);
/// What is sent in one piece: a host that is slow, but takes it, is not given up.
const PIECE: usize = 16 << 10;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin> Duplex for T {}

/// Connects to a drain's host. The certificate is checked against the host's own authorities and the drain's.
pub async fn connect(url: &DrainUrl, authority: Option<&str>) -> io::Result<Box<dyn Duplex>> {
    let connected = timeout(CONNECT, async {
        let socket = TcpStream::connect((url.host(), url.port())).await?;
        socket.set_nodelay(true)?;
        if !url.kind().is_encrypted() {
            return Ok(Box::new(socket) as Box<dyn Duplex>);
        }
        let name = ServerName::try_from(url.host().to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(client_config(authority)?));
        Ok(Box::new(connector.connect(name, socket).await?) as Box<dyn Duplex>)
    });
    connected.await.map_err(|_| late("no connection came about"))?
}

fn client_config(authority: Option<&str>) -> io::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let own = authority.map(certificates).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(own, provider.clone()).map_err(io::Error::other)?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // The verifier is the platform's, as it is in everything else that speaks TLS here.
    let builder = builder.map_err(io::Error::other)?.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// The certificates of a PEM text; an error if there is none, or one that is damaged.
pub fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(io::Error::other)?;
    if found.is_empty() {
        return Err(io::Error::other("it holds no certificate"));
    }
    Ok(found)
}

/// A connection on which one side only speaks. What the other one says is not of interest, its end is.
#[derive(Debug)]
pub struct OneWay {
    writer: WriteHalf<Box<dyn Duplex>>,
    closed: CancellationToken,
    /// Ends the reading when this is dropped.
    _reading: tokio_util::task::AbortOnDropHandle<()>,
}

impl OneWay {
    /// Takes a connection over.
    pub fn new(connection: Box<dyn Duplex>) -> Self {
        let (reader, writer) = tokio::io::split(connection);
        let closed = CancellationToken::new();
        let reading = tokio::spawn(read_to_the_end(reader, closed.clone()));
        Self { writer, closed, _reading: tokio_util::task::AbortOnDropHandle::new(reading) }
    }

    /// Whether the other side has ended it.
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Sends all bytes, as slowly as they are taken.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            tokio::select! {
                sent = timeout(PIECE_TIME, self.writer.write_all(piece)) => {
                    sent.map_err(|_| late("nothing is taken any more"))??;
                }
                () = self.closed.cancelled() => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        timeout(PIECE_TIME, self.writer.flush()).await.map_err(|_| late("nothing is taken any more"))?
    }
}

async fn read_to_the_end(mut reader: ReadHalf<Box<dyn Duplex>>, closed: CancellationToken) {
    let mut buffer = [0; 1024];
    while let Ok(1..) = reader.read(&mut buffer).await {}
    closed.cancel();
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what.to_owned())
}
