//! What a container prints, asked of the engine itself: for an engine whose files cannot be seen from here (its
//! socket leads to another host, or into another mount namespace). It costs the engine more than its files do.

use futures_util::StreamExt as _;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::logs::LogOptions;
use crate::docker::output::{OutputChunk, StandardStream};
use crate::logs::engine_line::Line;
use crate::logs::entry::{LONGEST_TEXT, Stream};
use crate::logs::message::Message;
use crate::logs::{Logs, Origin};
use crate::model::container_id::ContainerId;

/// The engine cuts lines that are as long as this or longer (moby, `daemon/logger/copier.go`).
const LONGEST_ENTRY: usize = 16 << 10;

/// Follows a container's output until its process ends, and keeps each line that was printed after `time`.
pub(super) async fn follow(
    logs: &Logs,
    origin: &Origin,
    engine: &Engine,
    container: &ContainerId,
    mut time: String,
) -> Result<(), EngineError> {
    // Seconds are all that the engine takes; what is known of that second is left out by its time.
    let since = time.parse::<jiff::Timestamp>().ok().map(|time| time.as_second());
    let options = LogOptions { follow: true, tail: None, since, timestamps: true };
    let mut chunks = engine.logs(container, options).await?;
    let mut lines = Lines::default();
    loop {
        let chunk = chunks.next().await.transpose()?;
        let ended = chunk.is_none();
        let found = match chunk {
            Some(chunk) => lines.push(&chunk).into_iter().collect(),
            None => lines.finish(),
        };
        for line in found.into_iter().filter(|line| line.time > time).collect::<Vec<_>>() {
            time.clone_from(&line.time);
            let (app, process) = (origin.app, origin.process.clone());
            logs.send(Message::Print { app, process, line }).await;
        }
        if ended {
            return Ok(());
        }
    }
}

/// Puts lines together from chunks. Each entry begins with the time and a space, those inside a line as well.
#[derive(Debug, Default)]
struct Lines {
    frame: Vec<u8>,
    begun: [Option<Line>; 2],
}

impl Lines {
    fn push(&mut self, chunk: &OutputChunk) -> Option<Line> {
        self.frame.extend_from_slice(&chunk.bytes);
        if !chunk.ends_frame {
            return None;
        }
        let frame = std::mem::take(&mut self.frame);
        let space = memchr::memchr(b' ', &frame)?;
        let (time, text) = frame.split_at_checked(space)?;
        let text = text.get(1..).unwrap_or_default();
        let [stdout, stderr] = &mut self.begun;
        let (begun, stream) = match chunk.stream {
            StandardStream::Stdout => (stdout, Stream::Stdout),
            StandardStream::Stderr => (stderr, Stream::Stderr),
        };
        let new = || Line { time: String::from_utf8_lossy(time).into_owned(), stream, text: Vec::new() };
        let mut line = begun.take().unwrap_or_else(new);
        line.text.extend_from_slice(text.strip_suffix(b"\n").unwrap_or(text));
        let goes_on = !text.ends_with(b"\n") && text.len() >= LONGEST_ENTRY;
        if goes_on && line.text.len() + LONGEST_ENTRY <= LONGEST_TEXT {
            *begun = Some(line);
            return None;
        }
        Some(line)
    }

    fn finish(&mut self) -> Vec<Line> {
        self.begun.iter_mut().filter_map(Option::take).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn push(lines: &mut Lines, stream: StandardStream, text: &str, ends_frame: bool) -> Option<String> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let line = lines.push(&OutputChunk { stream, bytes, ends_frame })?;
        Some(format!("{} {}", line.time, String::from_utf8(line.text).unwrap()))
    }

    #[test]
    fn an_entry_may_come_in_pieces_and_a_last_line_without_its_end() {
        let mut lines = Lines::default();
        assert_eq!(push(&mut lines, StandardStream::Stdout, "T1 he", false), None);
        assert_eq!(push(&mut lines, StandardStream::Stdout, "llo\n", true).unwrap(), "T1 hello");
        assert_eq!(push(&mut lines, StandardStream::Stderr, "T1 dying", true).unwrap(), "T1 dying");
        assert_eq!(push(&mut lines, StandardStream::Stderr, "T2 born\n", true).unwrap(), "T2 born");
        assert!(lines.finish().is_empty());
    }

    #[test]
    fn a_long_line_is_one_again_while_the_other_stream_goes_on() {
        let mut lines = Lines::default();
        let long = "x".repeat(LONGEST_ENTRY);
        assert_eq!(push(&mut lines, StandardStream::Stdout, &format!("T1 {long}"), true), None);
        assert_eq!(push(&mut lines, StandardStream::Stderr, "T2 aside\n", true).unwrap(), "T2 aside");
        let whole = push(&mut lines, StandardStream::Stdout, "T1  end\n", true).unwrap();
        assert_eq!(whole, format!("T1 {long} end"));
        assert_eq!(push(&mut lines, StandardStream::Stdout, &format!("T3 {long}"), true), None);
        assert_eq!(lines.finish().len(), 1);
    }
}
