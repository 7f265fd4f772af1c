//! One GET request to an instance: what it answers, or why there is no answer.
//!
//! Knows nothing of checks. An answer is read only as far as somebody may want to see it, and never for longer than
//! the request may take.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use crate::run::any_certificate;

/// How much of a body is searched.
const SEARCHED: usize = 1 << 20;
/// How much of a body is read for nothing, so that an app that writes a small page is not cut off.
const READ_ANYWAY: usize = 64 << 10;
/// How long such a body is read.
const BRIEFLY: Duration = Duration::from_millis(250);

/// A request.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Where the instance answers.
    pub address: SocketAddr,
    /// Whether over TLS, whatever the certificate.
    pub tls: bool,
    /// Path and query.
    pub path: &'a str,
    /// The host that is asked for.
    pub host: &'a str,
    /// The scheme that the app is told.
    pub forwarded_proto: &'static str,
    /// Further header fields; one that is set already is replaced.
    pub headers: &'a [(String, String)],
    /// What the body is read for.
    pub content: Option<&'a str>,
}

/// What an instance answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The start of the body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// No connection was to be had.
    #[error("nothing listens on port {0}")]
    NotListening(u16),
    /// The request is none, as with a space in its path.
    #[error("the request cannot be sent: {0}")]
    NoRequest(String),
    /// TLS was wanted, and not spoken.
    #[error("port {port} does not speak TLS ({source})")]
    NoTls {
        /// The port.
        port: u16,
        /// What went wrong.
        source: io::Error,
    },
    /// The connection was closed, or something else than HTTP came.
    #[error("port {port} does not answer in HTTP ({source})")]
    NotHttp {
        /// The port.
        port: u16,
        /// What went wrong.
        source: hyper::Error,
    },
    /// It took too long.
    #[error("no answer came within {} s", .0.as_secs_f64())]
    TooLate(Duration),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Asks, and waits for the answer for `limit` at most.
pub async fn ask(question: &Question<'_>, limit: Duration) -> Result<Answer, NoAnswer> {
    let port = question.address.port();
    let deadline = Instant::now() + limit;
    let request = request(question)?;
    let stream = match timeout_at(deadline, TcpStream::connect(question.address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) | Err(_) => return Err(NoAnswer::NotListening(port)),
    };
    let answering = async {
        let stream: Box<dyn Stream> =
            if question.tls { Box::new(encrypt(stream, question).await?) } else { Box::new(stream) };
        let not_http = |source| NoAnswer::NotHttp { port, source };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(not_http)?;
        let driver = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(not_http)?;
        Ok((response, driver))
    };
    let (response, _driver) =
        timeout_at(deadline, answering).await.map_err(|_| NoAnswer::TooLate(limit))??;
    Ok(read(response, question.content, deadline).await)
}

async fn encrypt(
    stream: TcpStream,
    question: &Question<'_>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, NoAnswer> {
    let no_tls = |source| NoAnswer::NoTls { port: question.address.port(), source };
    let config = any_certificate::client_config().map_err(|error| no_tls(io::Error::other(error)))?;
    let name = ServerName::try_from(question.host.to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(question.address.ip().into()));
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(no_tls)
}

fn request(question: &Question<'_>) -> Result<Request<Empty<Bytes>>, NoAnswer> {
    let wrong = |error: &dyn std::error::Error| NoAnswer::NoRequest(error.to_string());
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(question.host).map_err(|error| wrong(&error))?);
    headers.insert("x-forwarded-proto", HeaderValue::from_static(question.forwarded_proto));
    headers.insert(USER_AGENT, HeaderValue::from_static("slipway-healthcheck"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    for (name, value) in question.headers {
        let name: HeaderName = name.parse().map_err(|error| wrong(&error))?;
        headers.insert(name, HeaderValue::from_str(value).map_err(|error| wrong(&error))?);
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut request = Request::get(question.path).body(Empty::new()).map_err(|error| wrong(&error))?;
    *request.headers_mut() = headers;
    Ok(request)
}

async fn read(response: Response<Incoming>, content: Option<&str>, deadline: Instant) -> Answer {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    let limit = if content.is_some() { SEARCHED } else { READ_ANYWAY };
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            let room = limit.saturating_sub(bytes.len()).min(data.len());
            bytes.extend_from_slice(data.get(..room).unwrap_or_default());
            let found = content.is_some_and(|wanted| contains(&bytes, wanted));
            if found || bytes.len() >= limit {
                return;
            }
        }
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let patience = if content.is_some() { left } else { left.min(BRIEFLY) };
    // What came until then is enough: the status is known, and a stream of events never ends.
    timeout(patience, reading).await.ok();
    Answer { status, body: bytes }
}

/// Whether a body has a text in it.
pub fn contains(body: &[u8], wanted: &str) -> bool {
    memmem::find(body, wanted.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    /// Gives one connection these bytes once a request has come, and returns the request. It stays open if told.
    async fn app(answer: &'static [u8], open: bool) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
            if open {
                // Until the other side goes.
                stream.read_u8().await.unwrap_err();
            }
            String::from_utf8(request).unwrap()
        });
        (address, serving)
    }

    fn question(address: SocketAddr) -> Question<'static> {
        Question {
            address,
            tls: false,
            path: "/health?a=b",
            host: "blog.example",
            forwarded_proto: "https",
            headers: &[],
            content: None,
        }
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn the_app_is_asked_by_its_own_name_as_the_router_would() {
        let (address, serving) = app(b"HTTP/1.1 204 No Content\r\n\r\n", false).await;
        let answer = ask(&question(address), LIMIT).await.unwrap();
        assert_eq!(answer, Answer { status: 204, body: Vec::new() });
        let request = serving.await.unwrap();
        assert!(request.starts_with("GET /health?a=b HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nhost: blog.example\r\n"), "{request}");
        assert!(request.contains("\r\nx-forwarded-proto: https\r\n"), "{request}");
    }

    #[tokio::test]
    async fn headers_of_a_check_take_the_place_of_ours() {
        let (address, serving) = app(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
        let headers = [("Host", "other.example"), ("X-Token", "t")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        ask(&Question { headers: &headers, ..question(address) }, LIMIT).await.unwrap();
        let request = serving.await.unwrap();
        assert!(request.contains("\r\nhost: other.example\r\n"), "{request}");
        assert!(request.contains("\r\nx-token: t\r\n") && !request.contains("blog.example"), "{request}");
    }

    #[tokio::test]
    async fn a_body_without_end_is_not_waited_for() {
        let (address, serving) = app(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n", true).await;
        let answer = ask(&question(address), LIMIT).await.unwrap();
        assert_eq!(answer.body, b"data: 1\n\n");
        serving.await.unwrap();
        let (address, serving) = app(b"HTTP/1.1 200 OK\r\n\r\nall is well", true).await;
        let answer = ask(&Question { content: Some("is well"), ..question(address) }, LIMIT).await.unwrap();
        assert_eq!(answer.status, 200);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_http_is_told_from_silence_and_from_nobody() {
        let (address, _serving) = app(b"220 mail.example ESMTP\r\n", false).await;
        assert!(matches!(ask(&question(address), LIMIT).await, Err(NoAnswer::NotHttp { .. })));
        let (address, _serving) = app(b"", false).await;
        assert!(matches!(ask(&question(address), LIMIT).await, Err(NoAnswer::NotHttp { .. })));
        let (address, _serving) = app(b"", true).await;
        let late = ask(&question(address), Duration::from_millis(50)).await;
        assert!(matches!(late, Err(NoAnswer::TooLate(_))), "{late:?}");
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(ask(&question(nobody), LIMIT).await, Err(NoAnswer::NotListening(_))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let question_in_tls = Question { tls: true, ..question(listener.local_addr().unwrap()) };
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let (plain, _stream) = tokio::join!(ask(&question_in_tls, LIMIT), serving);
        assert!(matches!(plain, Err(NoAnswer::NoTls { .. })), "{plain:?}");
        let spaces = ask(&Question { path: "/a b", ..question(address) }, LIMIT).await;
        assert!(matches!(spaces, Err(NoAnswer::NoRequest(_))), "{spaces:?}");
    }

    #[tokio::test]
    async fn over_tls_any_certificate_will_do() {
        let made = rcgen::generate_simple_self_signed(["someone.else".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(any_certificate::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.ok();
        });
        let answer = ask(&Question { tls: true, ..question(address) }, LIMIT).await.unwrap();
        assert_eq!(answer.status, 200);
        serving.await.unwrap();
    }
}
