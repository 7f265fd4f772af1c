//! Reading what containers wrote.

use std::path::PathBuf;

use bytes::BytesMut;
use futures_util::{TryStreamExt, stream};
use http_body_util::BodyDataStream;
use tokio_util::io::StreamReader;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::output::{Framing, OutputStream, output_stream};
use crate::docker::wire::Call;
use crate::model::container_id::ContainerId;

/// Which part of a log is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on with what is written from now on, until the container ends.
    pub follow: bool,
    /// Only so many of the last lines.
    pub tail: Option<u32>,
    /// Only what was written since this second of the Unix epoch.
    pub since: Option<i64>,
    /// Put the time and a space before each line (RFC 3339 with nanoseconds).
    pub timestamps: bool,
}

impl Engine {
    /// Where the engine writes a container's log, if it keeps one (`json-file`).
    pub async fn log_file(&self, id: &ContainerId) -> Result<PathBuf, EngineError> {
        Ok(self.data_directory().await?.join(format!("containers/{id}/{id}-json.log")))
    }

    /// Reads a container's log. A container whose log is off gives an error.
    pub async fn logs(&self, id: &ContainerId, options: LogOptions) -> Result<OutputStream, EngineError> {
        let terminal = self.inspect(id.as_str()).await?.terminal;
        self.log_of(id, terminal, options).await
    }

    /// Reads the log of a service's container.
    pub async fn service_log(
        &self,
        id: &ContainerId,
        options: LogOptions,
    ) -> Result<OutputStream, EngineError> {
        self.log_of(id, false, options).await
    }

    async fn log_of(
        &self,
        id: &ContainerId,
        terminal: bool,
        options: LogOptions,
    ) -> Result<OutputStream, EngineError> {
        let tail = options.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let target = format!(
            "/containers/{id}/logs?stdout=1&stderr=1&follow={}&timestamps={}&since={}&tail={tail}",
            u8::from(options.follow),
            u8::from(options.timestamps),
            options.since.unwrap_or(0),
        );
        let answer = self.wire().await?.send(Call::get(target)).await?;
        let body = BodyDataStream::new(answer.response.into_body()).map_err(std::io::Error::other);
        let reader = StreamReader::new(Box::pin(body));
        let output = output_stream(reader, BytesMut::new(), Framing::for_terminal(terminal));
        // The connection lives as long as somebody may read from it.
        let held = (output, answer.connection);
        Ok(Box::pin(stream::try_unfold(held, |(mut output, connection)| async move {
            Ok(output.try_next().await?.map(|chunk| (chunk, (output, connection))))
        })))
    }
}
