//! Connections to the engine's socket that are our own, one for each request.
//!
//! For what a pooled client cannot give: bodies that stream both ways, connections that stop being HTTP (attach,
//! exec, the build session), and the promise that dropping a request closes its connection, which is how the
//! engine learns that nobody waits any more.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use bollard::ClientVersion;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;
use tokio_util::task::AbortOnDropHandle;

use crate::docker::error::EngineError;
use serde::de::DeserializeOwned;

/// The longest error message that is read.
const MESSAGE_LIMIT: usize = 64 * 1024;

/// The longest line of JSON that an engine may send. BuildKit's own messages stay under 4 MiB.
const LINE_LIMIT: usize = 16 * 1024 * 1024;

const JSON: &str = "application/json";

/// A request's body.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Pieces of JSON until the answer ends.
pub(super) type JsonLines<T> = Pin<Box<dyn Stream<Item = Result<T, EngineError>> + Send>>;

/// Where requests go, and in which API version.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    socket: PathBuf,
    version: ClientVersion,
}

/// One request.
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query, without the version: `/containers/x/attach?stream=1`.
    pub(super) target: String,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

/// An answer whose body is still to be read. Dropping it closes the connection.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) connection: AbortOnDropHandle<()>,
}

/// A connection that no longer speaks HTTP.
pub(super) struct Upgraded {
    pub(super) stream: UnixStream,
    /// Bytes that the engine sent right behind its answer.
    pub(super) already_read: BytesMut,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Call {
    /// A POST with a JSON body, or with none.
    pub(super) fn post(target: String, json: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, target, content_type: JSON, headers: Vec::new(), body: full(json) }
    }

    /// A GET.
    pub(super) fn get(target: String) -> Self {
        Self { method: Method::GET, ..Self::post(target, Bytes::new()) }
    }

    /// The same, asking for the connection itself.
    pub(super) fn upgrading(mut self, protocol: &str) -> Self {
        self.headers.push((CONNECTION.as_str(), "Upgrade".to_owned()));
        self.headers.push((UPGRADE.as_str(), protocol.to_owned()));
        self
    }
}

impl Wire {
    pub(super) fn new(socket: PathBuf, version: ClientVersion) -> Self {
        Self { socket, version }
    }

    /// Sends a request; an error answer becomes an error.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, EngineError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| EngineError::Unreachable(Box::new(error)))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // The connection ends with its request's answer; what goes wrong on it is reported through that answer.
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to the engine ended");
            }
        }));
        let response = sender.send_request(self.request(call)?).await?;
        if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer { response, connection });
        }
        Err(read_error(response).await)
    }

    /// Sends a request that takes the connection over.
    pub(super) async fn upgrade(&self, call: Call) -> Result<Upgraded, EngineError> {
        let answer = self.send(call).await?;
        let status = answer.response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let message = "the engine did not hand its connection over".to_owned();
            return Err(EngineError::Refused { status: status.as_u16(), message });
        }
        let upgraded = hyper::upgrade::on(answer.response).await?;
        let parts = upgraded.downcast::<TokioIo<UnixStream>>().map_err(|_| {
            EngineError::Broken("the upgraded connection is not the one that was opened".into())
        })?;
        Ok(Upgraded { stream: parts.io.into_inner(), already_read: BytesMut::from(parts.read_buf.as_ref()) })
    }

    fn request(&self, call: Call) -> Result<Request<Body>, EngineError> {
        let version = format!("/v{}.{}", self.version.major_version, self.version.minor_version);
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{version}{}", call.target))
            .header(HOST, "docker")
            .header(CONTENT_TYPE, call.content_type);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        request.body(call.body).map_err(|error| EngineError::Broken(Box::new(error)))
    }
}

async fn read_error(response: Response<Incoming>) -> EngineError {
    let status = response.status();
    let body = match Limited::new(response.into_body(), MESSAGE_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return EngineError::Broken(error),
    };
    let message = match serde_json::from_slice::<Message>(&body) {
        Ok(answer) => answer.message,
        Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
    };
    EngineError::from_status(status.as_u16(), message)
}

impl Answer {
    /// The answer's lines, one piece of JSON each, as they come.
    pub(super) fn json_lines<T: DeserializeOwned + Send + 'static>(self) -> JsonLines<T> {
        let body = BodyDataStream::new(self.response.into_body()).map_err(io::Error::other);
        let lines = FramedRead::new(StreamReader::new(body), LinesCodec::new_with_max_length(LINE_LIMIT));
        // The connection lives as long as somebody may read from it.
        let held = (lines, self.connection);
        Box::pin(stream::try_unfold(held, |(mut lines, connection)| async move {
            while let Some(line) = lines.next().await {
                let line = line.map_err(|error| EngineError::Broken(Box::new(error)))?;
                if !line.is_empty() {
                    return Ok(Some((from_json(line.as_bytes())?, (lines, connection))));
                }
            }
            Ok(None)
        }))
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(bytes).map_err(|error| EngineError::Broken(Box::new(error)))
}

/// A body that is known beforehand.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Percent-encodes a value for a query (RFC 3986, section 2): all but unreserved characters.
pub(super) fn query_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => match write!(encoded, "%{byte:02X}") {
                Ok(()) => {}
                // Writing to a String cannot fail.
                Err(fmt_error) => tracing::error!(%fmt_error, "a query could not be encoded"),
            },
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_cannot_end_their_parameter() {
        assert_eq!(query_value("a b&c=d/é#?%"), "a%20b%26c%3Dd%2F%C3%A9%23%3F%25");
    }
}
