//! What an executable writes: to the person, behind the plugin's name and not without end; some of it is kept.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Mutex;

use crate::console::Console;

/// How much of a run is shown.
pub(super) const SHOWN: usize = 64 << 10;
/// The longest line that is waited for; a longer one is shown in pieces.
const LONGEST_LINE: usize = 4 << 10;

/// Shows what several streams of one run bring.
#[derive(Debug)]
pub(super) struct Display<'a> {
    console: Option<&'a Console>,
    name: &'a str,
    /// What may still be shown. Held while a line is written, so that lines of two streams do not mix.
    left: Mutex<usize>,
}

/// What was kept of a stream.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Its first bytes.
    pub(super) head: Vec<u8>,
    /// Whether there were more.
    pub(super) is_cut: bool,
    /// Its last line that is not empty.
    pub(super) last_line: String,
}

impl<'a> Display<'a> {
    pub(super) fn new(console: Option<&'a Console>, name: &'a str) -> Self {
        Self { console, name, left: Mutex::new(SHOWN) }
    }

    /// Shows a stream line by line, to its end.
    pub(super) async fn show(&self, stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<Kept> {
        let mut kept = Kept::default();
        let Some(mut stream) = stream else { return Ok(kept) };
        let (mut buffer, mut line) = (vec![0; 64 << 10], Vec::new());
        loop {
            let length = stream.read(&mut buffer).await?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            if *self.left.lock().await == 0 {
                // Nobody sees it any more: only the end matters, and only as much of it as a line has.
                line.extend_from_slice(
                    rest.get(rest.len().saturating_sub(LONGEST_LINE)..).unwrap_or_default(),
                );
                line.drain(..line.len().saturating_sub(LONGEST_LINE));
                continue;
            }
            while let Some(end) = memchr::memchr(b'\n', rest) {
                let (head, tail) = rest.split_at(end);
                line.extend_from_slice(head);
                self.line(&line, &mut kept).await;
                line.clear();
                rest = tail.get(1..).unwrap_or_default();
            }
            line.extend_from_slice(rest);
            if line.len() > LONGEST_LINE {
                self.line(&line, &mut kept).await;
                line.clear();
            }
        }
        let last = String::from_utf8_lossy(&line).into_owned();
        for text in last.lines() {
            self.line(text.as_bytes(), &mut kept).await;
        }
        Ok(kept)
    }

    async fn line(&self, line: &[u8], kept: &mut Kept) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if !text.is_empty() {
            kept.last_line = text.chars().take(500).collect();
        }
        let mut left = self.left.lock().await;
        if *left == 0 {
            return;
        }
        let line = format!("[{}] {text}\n", self.name);
        *left = left.saturating_sub(line.len());
        let Some(console) = self.console else { return };
        console.stderr(Bytes::from(line)).await;
        if *left == 0 {
            let notice = format!("[{}] (more than {} KiB: the rest is not shown)\n", self.name, SHOWN >> 10);
            console.stderr(Bytes::from(notice)).await;
        }
    }
}

/// Keeps the first bytes of a stream, and reads it to its end.
pub(super) async fn keep(stream: Option<impl AsyncRead + Unpin>, limit: usize) -> std::io::Result<Kept> {
    let mut kept = Kept::default();
    let Some(mut stream) = stream else { return Ok(kept) };
    let bound = u64::try_from(limit).unwrap_or(u64::MAX);
    (&mut stream).take(bound).read_to_end(&mut kept.head).await?;
    kept.is_cut = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await? > 0;
    Ok(kept)
}
