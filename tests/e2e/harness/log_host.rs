//! A host that logs are sent to: syslog with octet counting or HTTP, encrypted or not, or one that reads nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::tls::Pair;
use crate::harness::wait::wait_for;

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Syslog,
    Http,
    /// It accepts connections and never reads.
    Stuck,
}

/// The host. Dropping it ends its connections.
#[derive(Debug)]
pub struct LogHost {
    address: SocketAddr,
    got: Arc<Got>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Got {
    messages: Mutex<Vec<String>>,
    heads: Mutex<String>,
    connections: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

impl LogHost {
    /// Starts one on a free port.
    pub fn start(protocol: Protocol, pair: Option<&Pair>) -> Self {
        Self::start_on(0, protocol, pair)
    }

    /// Starts one on a port.
    pub fn start_on(port: u16, protocol: Protocol, pair: Option<&Pair>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let config = pair.map(server_config);
        let got = Arc::new(Got::default());
        let shared = got.clone();
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                shared.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let (got, config) = (shared.clone(), config.clone());
                // A connection that breaks off is what some tests want.
                thread::spawn(move || serve(stream, config, protocol, &got).ok());
            }
        });
        Self { address, got, accepting: Some(accepting) }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits for a message with this text.
    pub fn wait_for(&self, text: &str, bound: Duration) -> String {
        wait_for(&format!("`{text}` arrives"), bound, || {
            self.got.messages.lock().unwrap().iter().find(|message| message.contains(text)).cloned()
        })
    }

    /// All messages up to now, one a line.
    pub fn text(&self) -> String {
        self.got.messages.lock().unwrap().iter().map(|message| format!("{message}\n")).collect()
    }

    /// The heads of all requests.
    pub fn heads(&self) -> String {
        self.got.heads.lock().unwrap().clone()
    }

    /// Goes down.
    pub fn stop(self) {}
}

impl Drop for LogHost {
    fn drop(&mut self) {
        self.got.over.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, so that the port is free when this returns.
        TcpStream::connect(self.address).ok();
        self.accepting.take().unwrap().join().unwrap();
        for connection in self.got.connections.lock().unwrap().drain(..) {
            connection.shutdown(std::net::Shutdown::Both).ok();
        }
    }
}

fn server_config(pair: &Pair) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

fn serve(
    stream: TcpStream,
    config: Option<Arc<ServerConfig>>,
    protocol: Protocol,
    got: &Got,
) -> io::Result<()> {
    let mut stream: Box<dyn ReadWrite> = match config {
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, stream))
        }
        None => Box::new(stream),
    };
    match protocol {
        Protocol::Stuck => loop {
            thread::park();
        },
        Protocol::Syslog => loop {
            let length = read_until(&mut stream, b" ")?;
            let length: usize = String::from_utf8_lossy(&length).trim().parse().map_err(io::Error::other)?;
            let message = read_exact(&mut stream, length)?;
            got.messages.lock().unwrap().push(String::from_utf8_lossy(&message).into_owned());
        },
        Protocol::Http => loop {
            let head = String::from_utf8_lossy(&read_until(&mut stream, b"\r\n\r\n")?).into_owned();
            let length = head.to_lowercase().split("content-length: ").nth(1).unwrap().to_owned();
            let body = read_exact(&mut stream, length.split("\r\n").next().unwrap().parse().unwrap())?;
            let body = String::from_utf8_lossy(&body).into_owned();
            got.messages.lock().unwrap().extend(body.lines().map(str::to_owned));
            got.heads.lock().unwrap().push_str(&head);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        },
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

fn read_until(stream: &mut impl Read, end: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(bytes)
}

fn read_exact(stream: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
