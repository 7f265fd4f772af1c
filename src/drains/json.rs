//! Log entries as JSON, one object a line. Pure.

use serde::Serialize;

use crate::logs::entry::{Entry, Stream};

#[derive(Serialize)]
struct Line<'a> {
    app: &'a str,
    time: &'a str,
    source: &'a str,
    process: &'a str,
    stream: Option<&'a str>,
    text: &'a str,
}

/// Writes an entry as a line. What is no UTF-8 in it is replaced.
pub fn write(entry: &Entry<'_>, app: &str, lines: &mut Vec<u8>) -> serde_json::Result<()> {
    let stream = match entry.stream {
        Stream::Stdout => Some("stdout"),
        Stream::Stderr => Some("stderr"),
        Stream::None => None,
    };
    let (time, source, process) = (entry.time, entry.source.as_str(), entry.process);
    let text = &String::from_utf8_lossy(entry.text);
    serde_json::to_writer(&mut *lines, &Line { app, time, source, process, stream, text })?;
    lines.push(b'\n');
    Ok(())
}
