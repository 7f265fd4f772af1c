//! Follows the framing of a client's bytes beside hyper, for what hyper hides from a service.
//!
//! hyper drops `Content-Length` where `Transfer-Encoding` stands beside it, takes a bare LF as the end of a line,
//! and drops a target's fragment. All three are legal leniency for an origin server; in front of somebody else's
//! server each is the start of a smuggled request, so they are refused here. The watch only ever adds refusals:
//! where it should lose its way it says nothing more, and hyper's own (stricter than required) rules still hold.

use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr;

/// Which request of a connection broke which rule; shared with the service. Only the first counts, since the
/// connection ends with it.
#[derive(Debug, Default)]
pub(crate) struct Offences {
    /// The request's number, from 1, times 4, plus the rule. Zero if there is none.
    first: AtomicU64,
}

/// A rule that hyper does not keep for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offence {
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// A line of the head ends in LF without CR.
    BareLineFeed,
    /// The target has a fragment.
    Fragment,
}

/// The state of one connection's input.
#[derive(Debug, Default)]
pub(crate) struct HeadWatch {
    place: Place,
    /// The part of a line whose end has not come yet.
    partial: Vec<u8>,
    /// Heads that were seen to their end.
    heads: u64,
    head: Head,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    Trailers,
    Lost,
}

/// What is known of the head that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    begun: bool,
    length: Option<u64>,
    chunked: bool,
    offence: Option<Offence>,
}

impl Offences {
    /// The rule that the request with this number broke.
    pub(crate) fn of(&self, request: u64) -> Option<Offence> {
        let first = self.first.load(Ordering::Relaxed);
        if first >> 2 != request {
            return None;
        }
        match first & 3 {
            1 => Some(Offence::TwoLengths),
            2 => Some(Offence::BareLineFeed),
            _ => Some(Offence::Fragment),
        }
    }

    fn record(&self, request: u64, offence: Offence) {
        let rule = match offence {
            Offence::TwoLengths => 1,
            Offence::BareLineFeed => 2,
            Offence::Fragment => 3,
        };
        if self.first.load(Ordering::Relaxed) == 0 {
            self.first.store(request << 2 | rule, Ordering::Relaxed);
        }
    }
}

impl HeadWatch {
    /// Whether a head has begun and not ended.
    pub(crate) fn is_inside_head(&self) -> bool {
        self.place == Place::Head && (self.head.begun || !self.partial.is_empty())
    }

    /// Whether the last request was read to its end and nothing of the next has come.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.place == Place::Head && !self.is_inside_head()
    }

    /// Heads that were seen to their end.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// Takes the bytes that hyper is about to read.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], offences: &Offences) {
        while !bytes.is_empty() {
            match self.place {
                Place::Head | Place::ChunkSize | Place::Trailers => bytes = self.take_line(bytes, offences),
                Place::Body(left) => bytes = self.skip(bytes, left, Place::Body, Place::Head),
                Place::ChunkData(left) => {
                    bytes = self.skip(bytes, left, Place::ChunkData, Place::ChunkSize);
                }
                Place::Lost => return,
            }
        }
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, again: fn(u64) -> Place, then: Place) -> &'a [u8] {
        let here = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let after = left - here as u64;
        self.place = if after == 0 { then } else { again(after) };
        bytes.get(here..).unwrap_or_default()
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8], offences: &Offences) -> &'a [u8] {
        let Some(end) = memchr(b'\n', bytes) else {
            self.partial.extend_from_slice(bytes);
            return &[];
        };
        let (line, rest) = bytes.split_at_checked(end + 1).unwrap_or((bytes, &[]));
        if self.partial.is_empty() {
            self.line(line, offences);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(line);
            self.line(&whole, offences);
        }
        rest
    }

    fn line(&mut self, line: &[u8], offences: &Offences) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (line, bare) = match line.strip_suffix(b"\r") {
            Some(line) => (line, false),
            None => (line, true),
        };
        if bare && matches!(self.place, Place::ChunkSize | Place::Trailers) {
            // hyper goes on in search of an end with CR. What it takes for the next request may be none.
            offences.record(self.heads + 1, Offence::BareLineFeed);
            self.place = Place::Lost;
        }
        match self.place {
            Place::Head => self.head_line(line, bare, offences),
            Place::ChunkSize => self.place = chunk_size(line).map_or(Place::Lost, chunk_data),
            Place::Trailers if line.is_empty() => self.place = Place::Head,
            _ => {}
        }
    }

    fn head_line(&mut self, line: &[u8], bare: bool, offences: &Offences) {
        if bare {
            self.head.offence.get_or_insert(Offence::BareLineFeed);
        }
        if !self.head.begun {
            // Empty lines before the request's line are ignored (RFC 9112, section 2.2).
            self.head.begun = !line.is_empty();
            if memchr(b'#', line).is_some() {
                self.head.offence.get_or_insert(Offence::Fragment);
            }
        } else if line.is_empty() {
            self.end_head(offences);
        } else {
            self.header(line);
        }
    }

    fn header(&mut self, line: &[u8]) {
        // Nearly every line is told apart by its first byte.
        match line.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, b"content-length") {
                    // What is no number is refused by hyper.
                    self.head.length = Some(decimal(value).unwrap_or(0));
                }
            }
            Some(b't' | b'T') if value_of(line, b"transfer-encoding").is_some() => self.head.chunked = true,
            _ => {}
        }
    }

    fn end_head(&mut self, offences: &Offences) {
        let head = std::mem::take(&mut self.head);
        self.heads += 1;
        let offence = match (head.chunked, head.length) {
            (true, Some(_)) => Some(Offence::TwoLengths),
            _ => head.offence,
        };
        if let Some(offence) = offence {
            offences.record(self.heads, offence);
        }
        self.place = match (head.chunked, head.length) {
            (true, _) => Place::ChunkSize,
            (false, Some(length)) if length > 0 => Place::Body(length),
            _ => Place::Head,
        };
    }
}

/// The value of a header line with this (lower-case) name.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn chunk_data(size: u64) -> Place {
    // The data is followed by CR LF.
    if size == 0 { Place::Trailers } else { Place::ChunkData(size.saturating_add(2)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the same bytes whole and byte by byte, which must come to the same.
    fn offences(bytes: &[u8], requests: u64) -> Vec<Option<Offence>> {
        let mut results = Vec::new();
        for step in [bytes.len(), 1, 3] {
            let (mut watch, found) = (HeadWatch::default(), Offences::default());
            for part in bytes.chunks(step) {
                watch.feed(part, &found);
            }
            assert_eq!(watch.heads, requests, "in steps of {step}");
            results.push((1..=requests).map(|request| found.of(request)).collect::<Vec<_>>());
        }
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
        results.remove(0)
    }

    #[test]
    fn ordinary_requests_are_followed_without_offence() {
        let bytes = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\
            POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\r\n\r\n#\
            POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n\
            GET /2 HTTP/1.1\r\n\r\n";
        assert_eq!(offences(bytes, 4), vec![None; 4]);
    }

    #[test]
    fn two_lengths_are_seen_in_either_order_and_only_on_their_request() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-ENCODING:chunked\r\nX: y\r\ncontent-length:3\r\n\r\n0\r\n\r\n",
        ] {
            let bytes = format!("GET / HTTP/1.1\r\n\r\n{head}");
            assert_eq!(offences(bytes.as_bytes(), 2), vec![None, Some(Offence::TwoLengths)]);
        }
    }

    #[test]
    fn a_bare_line_feed_and_a_fragment_are_seen() {
        assert_eq!(offences(b"GET / HTTP/1.1\nHost: a\r\n\r\n", 1), vec![Some(Offence::BareLineFeed)]);
        assert_eq!(offences(b"GET / HTTP/1.1\r\nHost: a\r\n\n", 1), vec![Some(Offence::BareLineFeed)]);
        assert_eq!(offences(b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 1), vec![Some(Offence::Fragment)]);
    }

    #[test]
    fn it_knows_where_in_a_request_it_is() {
        let (mut watch, found) = (HeadWatch::default(), Offences::default());
        assert!(watch.is_between_requests());
        watch.feed(b"POST / HT", &found);
        assert!(watch.is_inside_head());
        watch.feed(b"TP/1.1\r\nContent-Length: 2\r\n\r\n1", &found);
        assert!(!watch.is_inside_head() && !watch.is_between_requests());
        watch.feed(b"2", &found);
        assert!(watch.is_between_requests());
    }
}
