//! Two small servers on loopback: the git protocol in front of the services, and plain files over HTTP.

use std::path::PathBuf;

use slipway::git::repositories::Repositories;
use slipway::git::service::{ServiceKind, ServiceOptions};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server that ends when dropped.
pub struct Server {
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves repositories over `git://`, through the services under test.
    pub async fn git(repositories: Repositories, max_input_bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("git://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve_git(repositories.clone(), max_input_bytes, stream));
            }
        });
        Self { url, task }
    }

    /// Serves the files of a directory over HTTP, as any web server can.
    pub async fn files(directory: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve_file(directory.clone(), stream));
            }
        });
        Self { url, task }
    }
}

/// Reads the first packet (`git-upload-pack /app\0host=…\0\0version=2\0`), then only copies.
async fn serve_git(repositories: Repositories, max_input_bytes: u64, mut stream: TcpStream) {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.unwrap();
    let length = usize::from_str_radix(std::str::from_utf8(&length).unwrap(), 16).unwrap();
    let mut request = vec![0; length - 4];
    stream.read_exact(&mut request).await.unwrap();
    let request = String::from_utf8(request).unwrap();
    let mut fields = request.split('\0');
    let (command, app) = fields.next().unwrap().split_once(" /").unwrap();
    let options = ServiceOptions {
        git_protocol: fields.find(|field| field.starts_with("version=")).map(str::to_owned),
        push_token: Some("a-token".to_owned()),
        socket: PathBuf::from("/the/socket"),
        max_input_bytes,
    };
    let kind = ServiceKind::from_command(command).unwrap();
    let mut process = repositories.service(kind, &app.parse().unwrap(), &options).unwrap();
    let (mut read, mut write) = stream.into_split();
    let (mut stdin, mut stdout) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
    let input = async {
        // A client of this protocol never closes its half alone: the end of its input is the end of it, and what
        // it started is not wanted any more.
        tokio::io::copy(&mut read, &mut stdin).await.ok();
    };
    tokio::select! {
        () = input => {}
        copied = tokio::io::copy(&mut stdout, &mut write) => drop(copied),
    }
    write.shutdown().await.ok();
}

async fn serve_file(directory: PathBuf, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await.unwrap();
    let mut header = String::new();
    while header != "\r\n" {
        header.clear();
        stream.read_line(&mut header).await.unwrap();
    }
    let path = request.split(' ').nth(1).unwrap().split('?').next().unwrap();
    let answer = match tokio::fs::read(directory.join(path.trim_start_matches('/'))).await {
        Ok(content) => {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
            [head.into_bytes(), content].concat()
        }
        Err(_) => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    };
    stream.write_all(&answer).await.ok();
}
