//! A request's head, parsed by hand (RFC 9112) and kept as it was received.

use std::io::{self, BufRead, Read};

/// Longer heads are refused.
const MAX_HEAD: usize = 1 << 20;

/// A request's head.
pub struct Request {
    /// `GET /path HTTP/1.1`, as received.
    pub line: String,
    /// The whole head as received, without the empty line that ends it.
    pub head: Vec<u8>,
    pub method: String,
    pub path: String,
    query: String,
    headers: Vec<(String, String)>,
    /// HTTP/1.0: no chunks, and no keep-alive unless asked for.
    pub http_1_0: bool,
}

/// Why there is no request.
pub enum ReadError {
    /// The connection broke; there is nobody to answer.
    Broken,
    Malformed(&'static str),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Reads one head; `None` if the peer closed the connection between two requests.
pub fn read_request(reader: &mut impl BufRead) -> Result<Option<Request>, ReadError> {
    let mut head = Vec::new();
    loop {
        let start = head.len();
        let room = (MAX_HEAD - start) as u64;
        if Read::take(&mut *reader, room).read_until(b'\n', &mut head)? == 0 {
            let closed = head.is_empty();
            return if closed { Ok(None) } else { Err(ReadError::Malformed("the head is cut or too long")) };
        }
        let line = &head[start..];
        if line == b"\r\n" || line == b"\n" {
            head.truncate(start);
            if !head.is_empty() {
                return parse_head(head).map(Some);
            }
        }
    }
}

fn parse_head(head: Vec<u8>) -> Result<Request, ReadError> {
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(ReadError::Malformed("the request line is not METHOD TARGET VERSION"));
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(ReadError::Malformed("the version is neither HTTP/1.1 nor HTTP/1.0"));
    }
    let mut headers = Vec::new();
    for header in lines {
        let (name, value) = header.split_once(':').ok_or(ReadError::Malformed("a header has no colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        http_1_0: version == "HTTP/1.0",
        headers,
        line,
        head,
    })
}

impl Request {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a header that is a list of words has this word.
    pub fn header_has(&self, name: &str, word: &str) -> bool {
        let values = self.headers.iter().filter(|(known, _)| known == name);
        values.flat_map(|(_, value)| value.split(',')).any(|known| known.trim().eq_ignore_ascii_case(word))
    }

    /// A parameter of the query, percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        let mut pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| percent_decode(value))
    }

    /// A parameter that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        String::from_utf8(self.parameter(name)?).ok()?.parse().ok()
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (*first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            (byte, _) => decoded.push(byte),
        }
    }
    decoded
}
