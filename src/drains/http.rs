//! Sends batches of JSON lines by POST, one after the other on a connection that is kept.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::drains::connection::{Duplex, connect};
use crate::model::drain_url::DrainUrl;

/// For one request, with its answer.
const ANSWER: Duration = Duration::from_secs(60);
/// An answer's body is read, so that the connection can be used again, up to so many bytes.
const LONGEST_ANSWER: usize = 64 << 10;

/// A connection over which requests go.
#[derive(Debug)]
pub struct Poster {
    sender: SendRequest<Full<Bytes>>,
    /// Ends the connection when this is dropped.
    _driving: AbortOnDropHandle<()>,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// There was no connection, or it broke off.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The conversation was no HTTP.
    #[error("the answer is not HTTP")]
    Http(#[from] hyper::Error),
    /// The answer was not that all is well.
    #[error("the answer was {0}")]
    Status(StatusCode),
}

impl Poster {
    /// Connects.
    pub async fn open(url: &DrainUrl, authority: Option<&str>) -> Result<Self, PostError> {
        let stream: Box<dyn Duplex> = connect(url, authority).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a drain's connection broke off");
            }
        });
        Ok(Self { sender, _driving: AbortOnDropHandle::new(driving) })
    }

    /// Whether the other side has ended it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a batch; it is taken if the answer is 2xx.
    pub async fn post(&mut self, url: &DrainUrl, lines: Bytes) -> Result<(), PostError> {
        let request = request(url, lines).ok_or_else(|| io::Error::other("the URL cannot be asked for"))?;
        let sent = timeout(ANSWER, async {
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            // What it says is not of interest; an endless answer only costs the connection.
            Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.ok();
            Ok::<StatusCode, hyper::Error>(status)
        });
        let status = sent.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if status.is_success() { Ok(()) } else { Err(PostError::Status(status)) }
    }
}

fn request(url: &DrainUrl, lines: Bytes) -> Option<Request<Full<Bytes>>> {
    let (path, user) = url.request()?;
    let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
    let mut request = Request::post(path)
        .header(HOST, format!("{host}:{}", url.port()))
        .header(CONTENT_TYPE, "application/x-ndjson")
        .header(USER_AGENT, concat!("slipway/", env!("CARGO_PKG_VERSION")));
    if let Some((user, password)) = user {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let mut value = HeaderValue::from_str(&basic).ok()?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request.body(Full::new(lines)).ok()
}
