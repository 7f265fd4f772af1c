//! Log entries as syslog messages: RFC 5424, framed by octet counting (RFC 6587, section 3.4.1). Pure.

use crate::logs::entry::{Entry, Source, Stream};

/// Facility `user` (RFC 5424, section 6.2.1), times eight.
const USER: u8 = 1 << 3;
const ERROR: u8 = 3;
const INFORMATIONAL: u8 = 6;

/// The longest names of the header (RFC 5424, section 6).
const LONGEST_HOST: usize = 255;
const LONGEST_APP: usize = 48;
const LONGEST_PROCESS: usize = 128;

/// Writes an entry as a frame: host, app and process are the header's HOSTNAME, APP-NAME and PROCID, the source is
/// its MSGID.
pub fn write(entry: &Entry<'_>, host: &str, app: &str, frames: &mut Vec<u8>) {
    let severity = if entry.stream == Stream::Stderr { ERROR } else { INFORMATIONAL };
    let source = match entry.source {
        Source::App => "app",
        Source::Slipway => "slipway",
    };
    let head = format!(
        "<{}>1 {} {} {} {} {source} - ",
        USER + severity,
        time(entry.time),
        name(host, LONGEST_HOST),
        name(app, LONGEST_APP),
        name(entry.process, LONGEST_PROCESS),
    );
    frames.extend_from_slice(format!("{} ", head.len() + entry.text.len()).as_bytes());
    frames.extend_from_slice(head.as_bytes());
    frames.extend_from_slice(entry.text);
}

/// Six digits behind the second are the most that are allowed (RFC 5424, section 6.2.3).
fn time(time: &str) -> String {
    format!("{}Z", time.get(..26).unwrap_or("1970-01-01T00:00:00"))
}

/// Printable ASCII without blanks; nothing is a dash.
fn name(text: &str, longest: usize) -> String {
    let printable = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' });
    let name: String = printable.take(longest).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_its_header_and_the_app_s_bytes() {
        let entry = Entry {
            time: "2026-11-21T04:20:01.123456789Z",
            source: Source::App,
            process: "web.1",
            stream: Stream::Stderr,
            text: b"caf\xc3\xa9 \xff",
        };
        let mut frames = Vec::new();
        write(&entry, "my host", "blog", &mut frames);
        let message = b"<11>1 2026-11-21T04:20:01.123456Z my_host blog web.1 app - caf\xc3\xa9 \xff";
        let frame = [format!("{} ", message.len()).as_bytes(), message].concat();
        assert_eq!(frames, frame, "{}", String::from_utf8_lossy(&frames));
        let own = Entry { source: Source::Slipway, stream: Stream::None, text: b"", ..entry };
        frames.clear();
        write(&own, "", &"x".repeat(60), &mut frames);
        let text = String::from_utf8(frames).unwrap();
        assert!(
            text.contains(&format!(" <14>1 2026-11-21T04:20:01.123456Z - {} ", "x".repeat(48))),
            "{text}"
        );
        assert!(text.ends_with(" web.1 slipway - "), "{text}");
    }
}
