//! A router, clients and backends on loopback. Every wait is bounded.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use slipway_router::access_log::{AccessRecord, AccessRecords};
use slipway_router::host_pattern::HostPattern;
use slipway_router::policy::Policy;
use slipway_router::publisher::Published;
use slipway_router::settings::RouterSettings;
use slipway_router::table::{
    AppRoutes, AppState, Entrance, HostRoute, InstanceRoute, PortRoute, Protocol, TableSpec,
};
use slipway_router::{Router, RouterHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// No wait of a test is longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it took too long")
}

/// Asks again and again until the answer is yes.
pub async fn until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "it took too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A running router.
pub struct Site {
    pub handle: RouterHandle,
    pub address: SocketAddr,
    pub records: AccessRecords,
}

impl Site {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut RouterSettings)) -> Self {
        let mut settings = RouterSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            workers: NonZeroUsize::new(2),
            ..RouterSettings::default()
        };
        change(&mut settings);
        let bound = Router::bind(settings).unwrap();
        let address = bound.http_address();
        let (handle, records) = bound.start().unwrap();
        Self { handle, address, records }
    }

    pub fn publish(&self, apps: Vec<AppRoutes>) -> Published {
        self.handle.publish(&TableSpec { apps }).unwrap()
    }

    /// A router with one app, `blog.test`, whose instances are these backends.
    pub fn with(backends: &[&Backend]) -> Self {
        let site = Self::start();
        site.publish(vec![app("blog", backends)]);
        site
    }

    pub async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// Sends a request on a connection of its own and reads the answer.
    pub async fn ask(&self, request: &str) -> Answer {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.answer().await
    }

    pub async fn get(&self, host: &str) -> Answer {
        self.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
    }

    /// The next record of the access log.
    pub async fn record(&mut self) -> AccessRecord {
        let mut batch = within(self.records.next_batch()).await.expect("the log has ended");
        assert_eq!(batch.len(), 1, "{batch:#?}");
        batch.remove(0)
    }
}

/// An app on `NAME.test`.
pub fn app(name: &str, backends: &[&Backend]) -> AppRoutes {
    app_with(name, backends, |_| {})
}

/// The same with something set about its requests.
pub fn app_with(name: &str, backends: &[&Backend], change: impl FnOnce(&mut Policy)) -> AppRoutes {
    let container_port = backends.first().map_or(5000, |backend| backend.address.port());
    let mut policy = Policy::default();
    change(&mut policy);
    AppRoutes {
        app: Arc::from(name),
        hosts: vec![host(&format!("{name}.test"))],
        ports: vec![PortRoute { entrance: Entrance::Http, container_port, protocol: Protocol::Http1 }],
        instances: backends.iter().map(|backend| backend.instance()).collect(),
        state: AppState::Running,
        policy: Arc::new(policy),
    }
}

/// All paths of a host.
pub fn host(host: &str) -> HostRoute {
    host.parse::<HostPattern>().unwrap().into()
}

/// A way to the port of a backend.
pub fn port_route(entrance: Entrance, backend: &Backend) -> PortRoute {
    PortRoute { entrance, container_port: backend.address.port(), protocol: Protocol::Http1 }
}

/// A server behind the router.
pub struct Backend {
    pub name: String,
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Backend {
    /// Serves each connection with `serve`.
    pub async fn start<F, S>(name: &str, serve: S) -> Self
    where
        S: Fn(Wire) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0".parse().unwrap(), name, serve).await
    }

    pub async fn start_at<F, S>(address: SocketAddr, name: &str, serve: S) -> Self
    where
        S: Fn(Wire) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(Wire::new(stream)));
            }
        });
        Self { name: name.to_owned(), address, accepted, task }
    }

    /// Answers every request with its name and the request's body.
    pub async fn echo(name: &str) -> Self {
        Self::echo_at("127.0.0.1:0".parse().unwrap(), name).await
    }

    pub async fn echo_at(address: SocketAddr, name: &str) -> Self {
        let text = name.to_owned();
        Self::start_at(address, name, move |wire| echo(wire, text.clone())).await
    }

    /// Nobody listens there.
    pub async fn refusing() -> Self {
        let backend = Self::echo("refusing").await;
        backend.stop().await
    }

    /// Stops listening and cuts its connections.
    pub async fn stop(mut self) -> Self {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
        self.task = tokio::spawn(async {});
        self
    }

    /// Connections that it has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub fn id(&self) -> String {
        format!("container-{}", self.name)
    }

    pub fn instance(&self) -> InstanceRoute {
        let address: IpAddr = self.address.ip();
        InstanceRoute { id: self.id(), label: self.name.clone(), address }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(mut wire: Wire, name: String) {
    while let Some(head) = wire.try_head().await {
        let body = wire.body(&head).await;
        let length = name.len() + body.len();
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}")).await;
        wire.send(&body).await;
    }
}

/// The start line and the headers of a message.
#[derive(Clone, Debug)]
pub struct Head {
    pub line: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn code(&self) -> Option<&str> {
        self.head.get("x-router-error")
    }
}

/// A connection whose every byte a test can see.
#[derive(Debug)]
pub struct Wire {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub async fn connect(address: SocketAddr) -> Self {
        Self::new(within(TcpStream::connect(address)).await.unwrap())
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads more; `false` at the end or after a reset.
    async fn more(&mut self) -> bool {
        let mut room = vec![0; 64 << 10];
        match within(self.stream.read(&mut room)).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&room[..count]);
                true
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub async fn try_head(&mut self) -> Option<Head> {
        let line = self.line().await?;
        let mut headers = Vec::new();
        loop {
            let header = self.line().await?;
            if header.is_empty() {
                return Some(Head { line, headers });
            }
            let (name, value) = header.split_once(": ").unwrap_or((&header, ""));
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    pub async fn head(&mut self) -> Head {
        self.try_head().await.expect("the connection ended where a head should be")
    }

    /// Waits until a whole head is there, and leaves it there.
    pub async fn peek_head(&mut self) {
        while !self.buffer.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(self.more().await, "the connection ended where a head should be");
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.more().await, "the connection ended {count} bytes early");
        }
        self.buffer.drain(..count).collect()
    }

    /// One chunk of a chunked body; empty at its end. `None` if the connection ended before.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line().await?;
        let size = usize::from_str_radix(&size, 16).unwrap();
        while self.buffer.len() < size + 2 {
            if !self.more().await {
                return None;
            }
        }
        let mut chunk: Vec<u8> = self.buffer.drain(..size + 2).collect();
        chunk.truncate(size);
        Some(chunk)
    }

    pub async fn body(&mut self, head: &Head) -> Vec<u8> {
        if head.get("transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let chunk = self.chunk().await.expect("the body was cut");
                if chunk.is_empty() {
                    return body;
                }
                body.extend(chunk);
            }
        }
        let length = head.get("content-length").map_or(0, |length| length.parse().unwrap());
        self.exactly(length).await
    }

    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let body = self.body(&head).await;
        Answer { head, body }
    }

    /// Everything until the connection ends, and whether it ended in order.
    pub async fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut rest = std::mem::take(&mut self.buffer);
        let orderly = within(self.stream.read_to_end(&mut rest)).await.is_ok();
        (rest, orderly)
    }

    /// Waits for the other side to end the connection without another byte.
    pub async fn ended(&mut self) {
        let (rest, _) = self.rest().await;
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}
