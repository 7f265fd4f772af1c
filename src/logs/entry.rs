//! One line of an app's log as it is kept: `TIME SOURCE[PROCESS] STREAM TEXT`. Pure.
//!
//! The time is RFC 3339 in UTC with nine digits behind the second, so that times compare as texts do. The source is
//! `app` or `slipway`, the stream `out`, `err` or `-`. The text is the rest of the line, byte for byte as it was
//! printed; only a line end cannot be part of it.

/// Characters of a time.
pub const TIME_LENGTH: usize = 30;
/// The longest text of one entry. What is longer goes on in the next one.
pub const LONGEST_TEXT: usize = 256 << 10;

/// Who says a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A process of the app.
    App,
    /// Slipway, about the app.
    Slipway,
}

/// Where it was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Slipway's own lines.
    None,
}

impl Source {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Slipway => "slipway",
        }
    }
}

impl Stream {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "out",
            Self::Stderr => "err",
            Self::None => "-",
        }
    }
}

/// An entry as it stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When, see the module.
    pub time: &'a str,
    /// Who.
    pub source: Source,
    /// Which process: `web.1`, `deploy`.
    pub process: &'a str,
    /// Where.
    pub stream: Stream,
    /// What.
    pub text: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Reads a line without its end; `None` for what is no entry.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (time, rest) = line.split_at_checked(TIME_LENGTH)?;
        let rest = rest.strip_prefix(b" ")?;
        let space = memchr::memchr(b' ', rest)?;
        let (origin, rest) = rest.split_at_checked(space)?;
        let rest = rest.get(1..)?;
        let space = memchr::memchr(b' ', rest)?;
        let (stream, text) = rest.split_at_checked(space)?;
        let (source, process) = std::str::from_utf8(origin).ok()?.strip_suffix(']')?.split_once('[')?;
        Some(Self {
            time: std::str::from_utf8(time).ok()?,
            source: match source {
                "app" => Source::App,
                "slipway" => Source::Slipway,
                _ => return None,
            },
            process,
            stream: match stream {
                b"out" => Stream::Stdout,
                b"err" => Stream::Stderr,
                b"-" => Stream::None,
                _ => return None,
            },
            text: text.get(1..)?,
        })
    }

    /// Writes it as a line. Line ends in the text become spaces; a text that is too long is cut.
    pub fn write(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.time.as_bytes());
        let (source, stream) = (self.source.as_str(), self.stream.as_str());
        for part in [" ", source, "[", self.process, "] ", stream, " "] {
            line.extend_from_slice(part.as_bytes());
        }
        let text = self.text.get(..LONGEST_TEXT).unwrap_or(self.text);
        if memchr::memchr(b'\n', text).is_none() {
            line.extend_from_slice(text);
        } else {
            line.extend(text.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        }
        line.push(b'\n');
    }
}

/// Brings a time of the engine's, which leaves out zeros at the end, to its full length. `None` if it is no time.
pub fn full_time(time: &str) -> Option<String> {
    let (seconds, rest) = time.split_at_checked(19)?;
    let fraction = rest.strip_suffix('Z')?;
    let fraction = fraction.strip_prefix('.').unwrap_or(fraction);
    let is_time = seconds.as_bytes().get(10) == Some(&b'T') && fraction.bytes().all(|b| b.is_ascii_digit());
    (is_time && fraction.len() <= 9).then(|| format!("{seconds}.{fraction:0<9}Z"))
}

/// Lines of one app that are about to be kept, with their times' places.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Batch {
    /// Adds an entry.
    pub fn push(&mut self, entry: &Entry<'_>) {
        self.starts.push(self.bytes.len());
        entry.write(&mut self.bytes);
    }

    /// Adds the lines of another one.
    pub fn append(&mut self, other: Self) {
        let before = self.bytes.len();
        self.starts.extend(other.starts.iter().map(|start| before + start));
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// How many bytes the lines have.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The lines in the order of their times; of one time, in the order in which they came.
    pub fn into_lines(self) -> Vec<u8> {
        sorted(self.bytes, &self.starts)
    }
}

/// Whole lines in the order of their times.
pub fn sort_lines(bytes: Vec<u8>) -> Vec<u8> {
    let ends = memchr::memchr_iter(b'\n', &bytes).map(|end| end + 1);
    let starts: Vec<usize> = std::iter::once(0).chain(ends).filter(|start| *start < bytes.len()).collect();
    sorted(bytes, &starts)
}

fn sorted(bytes: Vec<u8>, starts: &[usize]) -> Vec<u8> {
    let time = |start: usize| bytes.get(start..start + TIME_LENGTH).unwrap_or_default();
    if starts.is_sorted_by_key(|start| time(*start)) {
        return bytes;
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let mut ranges: Vec<_> = starts.iter().copied().zip(ends).collect();
    ranges.sort_by_key(|(start, _)| time(*start));
    let mut sorted = Vec::with_capacity(bytes.len());
    for (start, end) in ranges {
        sorted.extend_from_slice(bytes.get(start..end).unwrap_or_default());
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-21T04:20:01.123456789Z";

    fn entry<'a>(time: &'a str, text: &'a [u8]) -> Entry<'a> {
        Entry { time, source: Source::App, process: "web.1", stream: Stream::Stderr, text }
    }

    #[test]
    fn any_bytes_but_a_line_end_come_back_as_they_were() {
        for text in [&b"hello"[..], b"", b" two  spaces ", b"\xff\x00\r", "ü".as_bytes()] {
            let mut line = Vec::new();
            entry(TIME, text).write(&mut line);
            assert_eq!(line.pop(), Some(b'\n'));
            assert_eq!(Entry::parse(&line), Some(entry(TIME, text)));
        }
        let mut line = Vec::new();
        entry(TIME, b"one\ntwo").write(&mut line);
        assert_eq!(line, format!("{TIME} app[web.1] err one two\n").into_bytes());
    }

    #[test]
    fn what_is_no_entry_is_told() {
        for line in [&b""[..], b"\0\0\0\0", b"2026-11-21T04:20:01.123456789Z", b"torn app[web"] {
            assert_eq!(Entry::parse(line), None);
        }
        assert_eq!(Entry::parse(format!("{TIME} app[web.1] nowhere x").as_bytes()), None);
    }

    #[test]
    fn times_get_the_zeros_that_the_engine_leaves_out() {
        assert_eq!(full_time("2026-11-21T04:20:01.1234Z").unwrap(), "2026-11-21T04:20:01.123400000Z");
        assert_eq!(full_time("2026-11-21T04:20:01Z").unwrap(), "2026-11-21T04:20:01.000000000Z");
        for wrong in
            ["", "2026-11-21 04:20:01.1Z", "2026-11-21T04:20:01.1234+01:00", "2026-11-21T04:20:01.xZ"]
        {
            assert_eq!(full_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_batch_is_in_the_order_of_time_and_else_as_it_came() {
        let mut batch = Batch::default();
        let times = ["2026-11-21T04:20:02.000000000Z", TIME, TIME];
        for (time, text) in times.iter().zip(["late", "first", "second"]) {
            batch.push(&entry(time, text.as_bytes()));
        }
        let lines = String::from_utf8(batch.into_lines()).unwrap();
        let texts: Vec<&str> = lines.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(texts, ["first", "second", "late"]);
        let mut two = Batch::default();
        two.push(&entry(times[0], b"late"));
        let mut more = Batch::default();
        more.push(&entry(TIME, b"first"));
        more.push(&entry(TIME, b"second"));
        two.append(more);
        assert_eq!((two.count(), two.size()), (3, lines.len()));
        assert_eq!(two.into_lines(), lines.as_bytes());
        assert_eq!(sort_lines(lines.clone().into_bytes()), lines.into_bytes());
    }
}
