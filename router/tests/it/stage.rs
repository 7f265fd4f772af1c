//! Backends whose every move a test directs: what they answer, when, and what they have seen.

use std::future::Future;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::support::{Backend, Head, Wire};

/// Tells a backend to close the connection instead of answering.
pub const CLOSE: u16 = 0;

/// What a backend is told.
pub struct Stage {
    status: AtomicU16,
    /// Requests that it may answer while it is held.
    turns: Semaphore,
    held: bool,
    delay: Duration,
    /// The targets that it was asked for.
    seen: Mutex<Vec<String>>,
    /// Requests on one connection after which it reads the next and closes.
    per_connection: AtomicUsize,
}

impl Stage {
    fn new() -> Self {
        Self {
            status: AtomicU16::new(200),
            turns: Semaphore::new(0),
            held: false,
            delay: Duration::ZERO,
            seen: Mutex::default(),
            per_connection: AtomicUsize::new(usize::MAX),
        }
    }

    /// Answers at once.
    pub fn quick() -> Arc<Self> {
        Arc::new(Self::new())
    }

    /// Answers after a while.
    pub fn slow(delay: Duration) -> Arc<Self> {
        Arc::new(Self { delay, ..Self::new() })
    }

    /// Answers when it is let.
    pub fn held() -> Arc<Self> {
        Arc::new(Self { held: true, ..Self::new() })
    }

    /// Answers one request on each connection, reads a second one, and closes.
    pub fn closing() -> Arc<Self> {
        Arc::new(Self { per_connection: AtomicUsize::new(1), ..Self::new() })
    }

    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn let_answer(&self, count: usize) {
        self.turns.add_permits(count);
    }

    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    async fn serve(self: Arc<Self>, mut wire: Wire, name: String) {
        let mut answered = 0;
        while let Some(head) = wire.try_head().await {
            let body = wire.body(&head).await;
            self.seen.lock().unwrap().push(head.line.split(' ').nth(1).unwrap().to_owned());
            if self.held {
                self.turns.acquire().await.unwrap().forget();
            }
            tokio::time::sleep(self.delay).await;
            let status = self.status.load(Ordering::SeqCst);
            if status == CLOSE || answered >= self.per_connection.load(Ordering::SeqCst) {
                return;
            }
            let length = name.len() + body.len();
            // In one piece, or the second would wait for the first to be acknowledged.
            let mut answer =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{name}").into_bytes();
            answer.extend(&body);
            wire.send(answer).await;
            answered += 1;
        }
    }
}

/// A backend for each, on one port of different addresses, named `web.1` and so on.
pub async fn backends(stages: &[&Arc<Stage>]) -> Vec<Backend> {
    let mut all: Vec<Backend> = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        let port = all.first().map_or(0, |first| first.address.port());
        let address = format!("127.0.0.{}:{port}", index + 1).parse().unwrap();
        let (stage, name) = (Arc::clone(stage), format!("web.{}", index + 1));
        let own = name.clone();
        let serve = move |wire| Arc::clone(&stage).serve(wire, own.clone());
        all.push(Backend::start_at(address, &name, serve).await);
    }
    all
}

/// A backend that asks for a request's body, or refuses it, and the heads that it has seen.
pub async fn asking() -> (Backend, mpsc::UnboundedReceiver<Head>) {
    let (seen, heads) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let seen = seen.clone();
        async move {
            let head = wire.head().await;
            seen.send(head.clone()).unwrap();
            if head.line.contains("/refused") {
                wire.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await;
                wire.ended().await;
            } else {
                wire.send("HTTP/1.1 100 Continue\r\n\r\n").await;
                assert_eq!(wire.body(&head).await, b"hello");
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    (backend, heads)
}

/// A backend that reads a head and serves it, and how often serving said yes.
pub async fn counting<F>(
    serve: impl Fn(Wire, Head) -> F + Clone + Send + Sync + 'static,
) -> (Backend, Arc<AtomicUsize>)
where
    F: Future<Output = bool> + Send + 'static,
{
    let count = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&count);
    let backend = Backend::start("blog", move |mut wire: Wire| {
        let (serve, counter) = (serve.clone(), Arc::clone(&counter));
        async move {
            let head = wire.head().await;
            counter.fetch_add(usize::from(serve(wire, head).await), Ordering::SeqCst);
        }
    })
    .await;
    (backend, count)
}
