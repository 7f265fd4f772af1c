//! A small HTTP/1.1 client that says exactly what came back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// No answer of a test takes longer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// No answer of the engine does, which may have gigabytes to remove before it gives one.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(300);

/// What a server answered.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// Without the chunks' marks.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a connection needs of its stream.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// One connection, which carries one request after the other.
pub struct Connection {
    reader: BufReader<Box<dyn Stream>>,
}

impl Connection {
    /// Connects over TCP.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self::over(stream))
    }

    /// Speaks HTTP on a stream that is open.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { reader: BufReader::new(Box::new(stream)) }
    }

    /// Connects over a Unix socket, which is the engine's.
    pub fn open_unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ENGINE_TIMEOUT))?;
        stream.set_write_timeout(Some(ENGINE_TIMEOUT))?;
        Ok(Self::over(stream))
    }

    /// Asks for a path.
    pub fn get(&mut self, host: &str, path: &str) -> io::Result<Response> {
        self.request("GET", host, path, &[])
    }

    /// Sends a request whose body, if any, has a known length.
    pub fn request(&mut self, method: &str, host: &str, path: &str, body: &[u8]) -> io::Result<Response> {
        self.request_with(method, host, path, (None, body))
    }

    /// The same with one more header, if any.
    pub fn request_with(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        (header, body): (Option<(&str, &str)>, &[u8]),
    ) -> io::Result<Response> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        if let Some((name, value)) = header {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.write(&[head.as_bytes(), b"\r\n", body].concat())?;
        self.read_response(method)
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)?;
        self.reader.get_mut().flush()
    }

    /// Reads the final answer to a request with this method.
    pub fn read_response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let (status, headers) = self.read_head()?;
            // 100 Continue and 103 Early Hints come before the answer.
            if status >= 200 || status == 101 {
                let mut response = Response { status, headers, body: Vec::new() };
                if method != "HEAD" && !matches!(status, 101 | 204 | 304) {
                    response.body = self.read_body(&response)?;
                }
                return Ok(response);
            }
        }
    }

    /// The rest of the connection as raw bytes, for protocols that took it over.
    pub fn into_reader(self) -> BufReader<Box<dyn Stream>> {
        self.reader
    }

    fn read_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let line = self.read_line()?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("not a status line: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| invalid(format!("not a header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn read_body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            self.read_chunks(&mut body)?;
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().map_err(|_| invalid(format!("not a length: {length:?}")))?;
            self.read_exactly(length, &mut body)?;
        } else {
            self.reader.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.read_line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            match u64::from_str_radix(size, 16)
                .map_err(|_| invalid(format!("not a chunk's size: {line:?}")))?
            {
                0 => break,
                size => self.read_exactly(size, body)?,
            }
            if !self.read_line()?.is_empty() {
                return Err(invalid("a chunk is longer than its size".to_owned()));
            }
        }
        while !self.read_line()?.is_empty() {}
        Ok(())
    }

    fn read_exactly(&mut self, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
        let read = Read::take(&mut self.reader, length).read_to_end(body)?;
        if read as u64 == length {
            return Ok(());
        }
        Err(invalid(format!("the body was cut after {read} of {length} bytes")))
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line);
        match line.strip_suffix('\n') {
            Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
            None => Err(invalid(format!("the connection ended in a line: {line:?}"))),
        }
    }
}

/// Asks once, on a connection of its own.
pub fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<Response> {
    Connection::open(address)?.get(host, path)
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
