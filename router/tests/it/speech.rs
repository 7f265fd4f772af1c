//! Well-behaved clients and servers of HTTP/1.1 and HTTP/2, in clear text and encrypted.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::generate_simple_self_signed;
use slipway_router::certificate::Certificate;
use slipway_router::settings::RouterSettings;
use slipway_router::table::{AppRoutes, Entrance, PortRoute, Protocol, TableSpec};
use slipway_router::{Router, RouterHandle, access_log::AccessRecords};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::support::{Backend, app, host, within};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type AnyBody = Pin<Box<dyn Body<Data = Bytes, Error = Failure> + Send>>;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    Http1,
    Http1Tls,
    Http2,
    Http2Tls,
}

impl Front {
    pub const ALL: [Self; 4] = [Self::Http1, Self::Http1Tls, Self::Http2, Self::Http2Tls];

    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }

    fn is_encrypted(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }
}

pub const BACKS: [Protocol; 2] = [Protocol::Http1, Protocol::H2c];

/// Runs a test for each way in front and each way behind.
pub async fn everywhere<F: Future<Output = ()>>(test: impl Fn(Front, Protocol) -> F) {
    for back in BACKS {
        for front in Front::ALL {
            test(front, back).await;
        }
    }
}

/// A router with HTTP, HTTPS and one app, `blog.test`.
pub struct Pair {
    pub handle: RouterHandle,
    pub records: AccessRecords,
    pub http: SocketAddr,
    pub https: SocketAddr,
    authority: CertificateDer<'static>,
}

impl Pair {
    pub fn new(backend: &Backend, back: Protocol) -> Self {
        Self::with(backend, back, |_| {}, |_| {})
    }

    pub fn with(
        backend: &Backend,
        back: Protocol,
        settle: impl FnOnce(&mut RouterSettings),
        change: impl FnOnce(&mut AppRoutes),
    ) -> Self {
        let mut settings = RouterSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            listen_https: Some("127.0.0.1:0".parse().unwrap()),
            workers: NonZeroUsize::new(1),
            ..RouterSettings::default()
        };
        settle(&mut settings);
        let bound = Router::bind(settings).unwrap();
        let (http, https) = (bound.http_address(), bound.https_address().unwrap());
        let (handle, records) = bound.start().unwrap();
        let made = generate_simple_self_signed(["blog.test".to_owned(), "other.test".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        handle.set_certificates(vec![Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()]);
        let mut routes = app("blog", &[backend]);
        routes.ports = [Entrance::Http, Entrance::Https]
            .map(|entrance| PortRoute { entrance, container_port: backend.address.port(), protocol: back })
            .to_vec();
        change(&mut routes);
        let mut strange = app("strange", &[]);
        strange.hosts = vec![host("strange.test")];
        handle.publish(&TableSpec { apps: vec![routes, strange] }).unwrap();
        Self { handle, records, http, https, authority: made.cert.der().clone() }
    }

    pub async fn encrypted(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = within(TcpStream::connect(self.https)).await.unwrap();
        let name = ServerName::try_from("blog.test").unwrap();
        let stream = within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        stream
    }

    /// A connection of a well-behaved client.
    pub async fn client(&self, front: Front) -> Client {
        let scheme = if front.is_encrypted() { "https" } else { "http" };
        let sender = match front {
            Front::Http1 => http1(TcpStream::connect(self.http).await.unwrap()).await,
            Front::Http1Tls => http1(self.encrypted(b"http/1.1").await).await,
            Front::Http2 => http2(TcpStream::connect(self.http).await.unwrap()).await,
            Front::Http2Tls => http2(self.encrypted(b"h2").await).await,
        };
        Client { sender, scheme }
    }
}

async fn http1(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Sender {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    Sender::Http1(sender)
}

async fn http2(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Sender {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    Sender::Http2(sender)
}

enum Sender {
    Http1(http1::SendRequest<AnyBody>),
    Http2(http2::SendRequest<AnyBody>),
}

pub struct Client {
    sender: Sender,
    scheme: &'static str,
}

impl Client {
    pub fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder().method(method);
        match self.sender {
            Sender::Http1(_) => request.uri(path).header("host", "blog.test"),
            Sender::Http2(_) => request.uri(format!("{}://blog.test{path}", self.scheme)),
        }
    }

    pub async fn send(&mut self, request: Request<AnyBody>) -> Result<Response<Incoming>, hyper::Error> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                within(sender.ready()).await?;
                within(sender.send_request(request)).await
            }
            Sender::Http2(sender) => {
                within(sender.ready()).await?;
                within(sender.send_request(request)).await
            }
        }
    }

    /// Sends a request beside others, which only HTTP/2 can.
    pub fn begin(
        &mut self,
        request: Request<AnyBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, hyper::Error>> + use<> {
        match &mut self.sender {
            Sender::Http1(_) => panic!("one after the other"),
            Sender::Http2(sender) => sender.send_request(request),
        }
    }

    pub async fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = self.request("GET", path).body(empty()).unwrap();
        self.send(request).await.unwrap()
    }

    pub async fn post(&mut self, path: &str, body: AnyBody) -> Response<Incoming> {
        let request = self.request("POST", path).body(body).unwrap();
        self.send(request).await.unwrap()
    }
}

pub fn empty() -> AnyBody {
    Box::pin(Empty::new().map_err(|never: Infallible| match never {}))
}

pub fn full(bytes: impl Into<Bytes>) -> AnyBody {
    Box::pin(Full::new(bytes.into()).map_err(|never: Infallible| match never {}))
}

/// A body whose frames are sent one by one; an error cuts it.
pub fn channel() -> (mpsc::UnboundedSender<Result<Frame<Bytes>, Failure>>, AnyBody) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Box::pin(Channel(receiver)))
}

struct Channel(mpsc::UnboundedReceiver<Result<Frame<Bytes>, Failure>>);

impl Body for Channel {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.0.poll_recv(cx)
    }
}

pub fn data(bytes: impl Into<Bytes>) -> Result<Frame<Bytes>, Failure> {
    Ok(Frame::data(bytes.into()))
}

pub fn trailers(name: &'static str, value: &'static str) -> Result<Frame<Bytes>, Failure> {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, value.parse().unwrap());
    Ok(Frame::trailers(trailers))
}

/// The whole body and its trailers.
pub async fn collect(body: impl Body<Data = Bytes, Error = hyper::Error>) -> (Bytes, Option<HeaderMap>) {
    let collected = within(body.collect()).await.unwrap();
    let trailers = collected.trailers().cloned();
    (collected.to_bytes(), trailers)
}

/// The next data of a body that is not empty; `None` at its end.
pub async fn next(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        let data = within(body.frame()).await?.map(|frame| frame.into_data().unwrap_or_default());
        if data.as_ref().map_or(true, |data| !data.is_empty()) {
            return Some(data);
        }
    }
}

/// A server that answers requests with `answer`.
pub async fn backend<F>(
    back: Protocol,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> Backend
where
    F: Future<Output = Response<AnyBody>> + Send + 'static,
{
    Backend::start("blog", move |wire| {
        let answer = answer.clone();
        async move {
            let io = TokioIo::new(wire.stream);
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            match back {
                Protocol::Http1 => {
                    let server = hyper::server::conn::http1::Builder::new();
                    drop(server.serve_connection(io, service).await);
                }
                Protocol::H2c => {
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(io, service).await);
                }
            }
        }
    })
    .await
}
