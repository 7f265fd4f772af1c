//! A web server on loopback that serves files, and repositories as forges do: by `git http-backend`.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::repo::Repo;

/// Serves a directory of its own until the test ends.
#[derive(Debug)]
pub struct Web {
    directory: TempDir,
    address: SocketAddr,
}

/// What a client asked for.
struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Web {
    /// Starts to serve an empty directory.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let root = directory.path().to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let root = root.clone();
                // A client that breaks off is its own business.
                thread::spawn(move || serve(&stream, &root).ok());
            }
        });
        Self { directory, address }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Puts a file there, and returns its URL.
    pub fn put(&self, name: &str, contents: &[u8]) -> String {
        fs::write(self.directory.path().join(name), contents).unwrap();
        self.url(name)
    }

    /// Publishes what a repository has now as `NAME.git`, and returns its URL.
    pub fn publish(&self, name: &str, repo: &Repo) -> String {
        let target = self.directory.path().join(format!("{name}.git"));
        let target = target.to_str().unwrap();
        if !Path::new(target).exists() {
            repo.git(&["init", "-q", "--bare", "-b", "main", target]).success();
        }
        repo.git(&["push", "-q", "--force", "--mirror", target]).success();
        self.url(&format!("{name}.git"))
    }
}

fn serve(stream: &TcpStream, root: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let request = read_request(stream)?;
    let answer = if request.path.contains(".git/") { ask_git(&request, root)? } else { file(&request, root) };
    (&mut &*stream).write_all(&answer)
}

fn read_request(stream: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = (path.to_owned(), query.to_owned());
    Ok(Request { method, path, query, headers, body })
}

fn file(request: &Request, root: &Path) -> Vec<u8> {
    match fs::read(root.join(request.path.trim_start_matches('/'))) {
        Ok(content) => answer("200 OK", "", &content),
        Err(_) => answer("404 Not Found", "", b"not here\n"),
    }
}

/// Runs git's own CGI program (RFC 3875).
fn ask_git(request: &Request, root: &Path) -> io::Result<Vec<u8>> {
    let header = |wanted: &str| {
        let found = request.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("REQUEST_METHOD", &request.method).env("PATH_INFO", &request.path);
    command.env("QUERY_STRING", &request.query).env("CONTENT_TYPE", header("content-type"));
    command.env("CONTENT_LENGTH", request.body.len().to_string());
    command.env("HTTP_CONTENT_ENCODING", header("content-encoding"));
    command.env("GIT_PROTOCOL", header("git-protocol"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    child.stdin.take().unwrap().write_all(&request.body)?;
    let output = child.wait_with_output()?.stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let headers: String =
        head.lines().filter(|line| !line.starts_with("Status: ")).map(|line| format!("{line}\r\n")).collect();
    Ok(answer(&status, &headers, &output[end + 4..]))
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// A URL on which nobody answers: its port was free a moment ago.
pub fn nobody() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}/nobody.git")
}
