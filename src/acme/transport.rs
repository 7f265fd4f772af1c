//! HTTPS to a certificate authority, one connection a request: there are about ten in a month.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_util::task::AbortOnDropHandle;

/// For a connection and its handshake.
const CONNECT: Duration = Duration::from_secs(15);
/// For a whole request.
const REQUEST: Duration = Duration::from_secs(60);
/// No answer of an authority is longer; a chain of certificates is the longest.
const LONGEST: usize = 1 << 20;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Why an authority cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address is not one over HTTPS.
    #[error("{0} is not an https address")]
    Address(Uri),
    /// No connection comes about.
    #[error("no connection to {host}")]
    Connect {
        /// Whom to.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke, or the answer is too long.
    #[error("{host} does not answer properly")]
    Exchange {
        /// Who.
        host: String,
        /// Why.
        source: Problem,
    },
    /// It takes too long.
    #[error("{0} takes too long")]
    Late(String),
}

/// HTTPS to authorities. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    connector: TlsConnector,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// Trusts whom this host trusts, and the certificates of a PEM text besides.
    pub fn new(trusted: Option<&str>) -> io::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pem = trusted.unwrap_or_default().as_bytes();
        let own: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(io::Error::other)?;
        let verifier = Verifier::new_with_extra_roots(own, provider.clone()).map_err(io::Error::other)?;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        // The verifier is the platform's, as it is in everything else that speaks TLS here.
        let builder = builder.map_err(io::Error::other)?.dangerous();
        let config = builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    async fn exchange(
        self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, TransportError> {
        let uri = request.uri().clone();
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(|| TransportError::Address(uri.clone()))?.to_owned();
        let broken = |source: Problem| TransportError::Exchange { host: host.clone(), source };
        let stream = match timeout(CONNECT, self.connect(&host, uri.port_u16().unwrap_or(443))).await {
            Ok(connected) => {
                connected.map_err(|source| TransportError::Connect { host: host.clone(), source })?
            }
            Err(_) => return Err(TransportError::Late(host)),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.into()))?;
        // Ends with the request: nothing is left behind.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = of_origin(request).map_err(broken)?;
        let answer = sender.send_request(request).await.map_err(|error| broken(error.into()))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|error| {
            broken(if error.is::<LengthLimitError>() { "its answer is too long".into() } else { error })
        })?;
        Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let socket = TcpStream::connect((address, port)).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from(address.to_owned()).map_err(io::Error::other)?;
        self.connector.connect(name, socket).await
    }
}

/// The request as an origin server gets it: with a host, and only a path in its line.
fn of_origin(request: Request<BodyWrapper<Bytes>>) -> Result<Request<BodyWrapper<Bytes>>, Problem> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
    parts.headers.insert(HOST, HeaderValue::try_from(authority)?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::try_from(path)?;
    Ok(Request::from_parts(parts, body))
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = self.clone().exchange(request);
        Box::pin(async move {
            let result = match timeout(REQUEST, exchange).await {
                Ok(result) => result,
                Err(_) => Err(TransportError::Late("the authority".to_owned())),
            };
            result.map(BytesResponse::from).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}
