//! One request's body and its answer, framed by hand (RFC 9112).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::request::Request;

/// How much of the request's body is still to come.
enum Body {
    Length(u64),
    /// Bytes left of the current chunk; 0 before the next chunk's size line.
    Chunk(u64),
    Done,
}

/// One request and its answer, on a connection that may carry more.
pub struct Exchange<'a> {
    pub request: Request,
    reader: &'a mut BufReader<TcpStream>,
    stream: &'a TcpStream,
    stopping: &'a AtomicBool,
    body: Body,
    /// The client waits for `100 Continue` before it sends the body.
    owes_continue: bool,
    close: bool,
    chunked_answer: bool,
    status: u16,
}

impl<'a> Exchange<'a> {
    /// Begins the answer to `request`; it is the connection's last one if `stopping` is set before its head is sent.
    pub fn new(
        request: Request,
        reader: &'a mut BufReader<TcpStream>,
        stream: &'a TcpStream,
        stopping: &'a AtomicBool,
    ) -> Self {
        let length = request.header("content-length").and_then(|value| value.parse().ok());
        let body = match length {
            _ if request.header_has("transfer-encoding", "chunked") => Body::Chunk(0),
            None | Some(0) => Body::Done,
            Some(length) => Body::Length(length),
        };
        let keep = request.header_has("connection", "keep-alive") || !request.http_1_0;
        let close = !keep || request.header_has("connection", "close");
        let owes_continue = request.header_has("expect", "100-continue");
        Self {
            request,
            reader,
            stream,
            stopping,
            body,
            owes_continue,
            close,
            chunked_answer: false,
            status: 0,
        }
    }

    /// The status that was sent; 0 before that.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the connection ends with this answer.
    pub fn closes(&self) -> bool {
        self.close
    }

    /// Answers with a text.
    pub fn text(&mut self, status: u16, text: &str) -> io::Result<()> {
        self.bytes(status, "text/plain; charset=utf-8", text.as_bytes())
    }

    /// Answers with bytes.
    pub fn bytes(&mut self, status: u16, content_type: &str, body: &[u8]) -> io::Result<()> {
        self.head(status, content_type, Some(body.len() as u64))?;
        self.send(body)
    }

    /// Sends the head; a body of unknown length is chunked, or ends with the connection for HTTP/1.0.
    pub fn head(&mut self, status: u16, content_type: &str, length: Option<u64>) -> io::Result<()> {
        self.status = status;
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        let bodiless = matches!(status, 204 | 304);
        match length {
            _ if bodiless => {}
            Some(length) => head += &format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n"),
            None if self.request.http_1_0 => {
                self.close = true;
                head += &format!("Content-Type: {content_type}\r\n");
            }
            None => {
                self.chunked_answer = true;
                head += &format!("Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n");
            }
        }
        // A client that was never told to send its body will not: the next request cannot be found.
        self.close |= self.owes_continue || self.stopping.load(Ordering::SeqCst);
        head += if self.close { "Connection: close\r\n\r\n" } else { "\r\n" };
        if self.request.http_1_0 && !self.close {
            head = head.replacen("\r\n", "\r\nConnection: keep-alive\r\n", 1);
        }
        self.stream.write_all(head.as_bytes())
    }

    /// Sends a piece of the body at once.
    pub fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() || self.request.method == "HEAD" || matches!(self.status, 204 | 304) {
            return Ok(());
        }
        if !self.chunked_answer {
            return self.stream.write_all(piece);
        }
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        self.stream.write_all(&chunk)
    }

    /// Ends the answer, and reads what is left of the request.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.chunked_answer && self.request.method != "HEAD" {
            self.stream.write_all(b"0\r\n\r\n")?;
        }
        if !self.close {
            let mut rest = [0; 16 * 1024];
            while self.read(&mut rest)? > 0 {}
        }
        Ok(())
    }

    /// Hands the connection over to another protocol; no request follows.
    pub fn take_over(&mut self, head: &str) -> io::Result<(&mut BufReader<TcpStream>, TcpStream)> {
        self.status = 101;
        self.close = true;
        self.body = Body::Done;
        self.stream.write_all(head.as_bytes())?;
        Ok((self.reader, self.stream.try_clone()?))
    }

    fn next_chunk(&mut self) -> io::Result<Body> {
        let size = u64::from_str_radix(self.short_line()?.split(';').next().unwrap_or_default().trim(), 16)
            .map_err(|_| invalid("a chunk's size is no hexadecimal number"))?;
        if size > 0 {
            return Ok(Body::Chunk(size));
        }
        while !self.short_line()?.is_empty() {}
        Ok(Body::Done)
    }

    fn short_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut *self.reader).take(8 * 1024).read_line(&mut line)?;
        let text = line.strip_suffix('\n').ok_or_else(|| invalid("the body is cut"))?;
        Ok(text.trim_end_matches('\r').to_owned())
    }
}

impl Read for Exchange<'_> {
    /// Reads the request's body, without its chunks' marks.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.body, Body::Done) {
            return Ok(0);
        }
        if std::mem::take(&mut self.owes_continue) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if matches!(self.body, Body::Chunk(0)) {
            self.body = self.next_chunk()?;
        }
        let (Body::Length(left) | Body::Chunk(left)) = self.body else { return Ok(0) };
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.reader.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(invalid("the body is cut"));
        }
        let left = left - count as u64;
        self.body = match self.body {
            Body::Length(_) if left > 0 => Body::Length(left),
            Body::Chunk(_) => {
                if left == 0 && !self.short_line()?.is_empty() {
                    return Err(invalid("a chunk is longer than its size"));
                }
                Body::Chunk(left)
            }
            _ => Body::Done,
        };
        Ok(count)
    }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        426 => "Upgrade Required",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Whatever",
    }
}
