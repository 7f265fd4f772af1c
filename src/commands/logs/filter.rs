//! Which entries of a log are wanted, and how they are shown. Pure.

use memchr::memmem;
use serde::Serialize;

use crate::logs::entry::{Entry, Source, Stream};

/// Which entries are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this process type or instance.
    pub process: Option<String>,
    /// By whom.
    pub source: Option<Source>,
    /// Not printed before this time.
    pub since: Option<String>,
    /// Printed before this time.
    pub until: Option<String>,
    /// With this text in them.
    pub text: Option<Vec<u8>>,
}

impl Filter {
    /// Whether an entry is wanted.
    pub fn matches(&self, entry: &Entry<'_>) -> bool {
        let is_of = |wanted: &String| {
            let process_type = entry.process.rsplit_once('.').map_or(entry.process, |(name, _)| name);
            entry.process == *wanted || process_type == *wanted
        };
        self.process.as_ref().is_none_or(is_of)
            && self.source.is_none_or(|source| source == entry.source)
            && self.since.as_ref().is_none_or(|since| entry.time >= since.as_str())
            && self.until.as_ref().is_none_or(|until| entry.time < until.as_str())
            && self.text.as_ref().is_none_or(|text| memmem::find(entry.text, text).is_some())
    }
}

/// How entries are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The text only.
    Quiet,
    /// One JSON object a line.
    Json,
    /// Time, source and process before the text.
    Plain,
    /// The same, with a colour for each process.
    Coloured,
}

/// Colours that are read on a light and on a dark ground.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

#[derive(Serialize)]
struct JsonEntry<'a> {
    time: &'a str,
    source: &'a str,
    process: &'a str,
    stream: Option<&'a str>,
    text: &'a str,
}

impl Look {
    /// Writes an entry as a line.
    pub fn write(self, entry: &Entry<'_>, line: &mut Vec<u8>) {
        let Entry { time, process, text, .. } = entry;
        let source = entry.source.as_str();
        match self {
            Self::Quiet => line.extend_from_slice(text),
            Self::Plain => {
                line.extend_from_slice(format!("{time} {source}[{process}]: ").as_bytes());
                line.extend_from_slice(text);
            }
            Self::Coloured => {
                let sum: usize = process.bytes().map(usize::from).sum();
                let colour = COLOURS.get(sum % COLOURS.len()).copied().unwrap_or_default();
                line.extend_from_slice(
                    format!("\x1b[{colour}m{time} {source}[{process}]:\x1b[0m ").as_bytes(),
                );
                line.extend_from_slice(text);
            }
            Self::Json => {
                let stream = match entry.stream {
                    Stream::Stdout => Some("stdout"),
                    Stream::Stderr => Some("stderr"),
                    Stream::None => None,
                };
                let text = &String::from_utf8_lossy(text);
                let object = JsonEntry { time, source, process, stream, text };
                match serde_json::to_writer(&mut *line, &object) {
                    Ok(()) => {}
                    // Texts always can be written; this is for the type's sake.
                    Err(error) => line.extend_from_slice(error.to_string().as_bytes()),
                }
            }
        }
        line.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'static> = Entry {
        time: "2026-11-21T04:20:01.123456789Z",
        source: Source::App,
        process: "web.1",
        stream: Stream::Stderr,
        text: b"GET /\xff 200",
    };

    fn shown(look: Look) -> Vec<u8> {
        let mut line = Vec::new();
        look.write(&ENTRY, &mut line);
        line
    }

    #[test]
    fn each_condition_has_to_hold() {
        let with = |change: fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            filter.matches(&ENTRY)
        };
        assert!(with(|_| {}));
        assert!(with(|filter| filter.process = Some("web".to_owned())));
        assert!(with(|filter| filter.process = Some("web.1".to_owned())));
        assert!(!with(|filter| filter.process = Some("web.2".to_owned())));
        assert!(!with(|filter| filter.process = Some("we".to_owned())));
        assert!(!with(|filter| filter.source = Some(Source::Slipway)));
        assert!(with(|filter| filter.since = Some("2026-11-21T04:20:01.000000000Z".to_owned())));
        assert!(!with(|filter| filter.since = Some("2026-11-21T04:20:02.000000000Z".to_owned())));
        assert!(with(|filter| filter.until = Some("2026-11-21T04:20:02.000000000Z".to_owned())));
        assert!(!with(|filter| filter.until = Some(ENTRY.time.to_owned())));
        assert!(with(|filter| filter.text = Some(b" 200".to_vec())));
        assert!(!with(|filter| filter.text = Some(b"500".to_vec())));
    }

    #[test]
    fn the_app_s_bytes_are_shown_as_they_are_but_in_json() {
        assert_eq!(shown(Look::Quiet), b"GET /\xff 200\n");
        assert_eq!(shown(Look::Plain), b"2026-11-21T04:20:01.123456789Z app[web.1]: GET /\xff 200\n");
        assert!(shown(Look::Coloured).ends_with(b"Z app[web.1]:\x1b[0m GET /\xff 200\n"));
        let json: serde_json::Value = serde_json::from_slice(&shown(Look::Json)).unwrap();
        assert_eq!(json["text"], "GET /\u{fffd} 200");
        assert_eq!((&json["stream"], &json["process"]), (&"stderr".into(), &"web.1".into()));
    }
}
