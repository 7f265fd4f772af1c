//! Steady load on an app, which counts what failed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::harness::http::{Connection, Response};
use crate::harness::server::Server;
use crate::harness::tls::Trust;

/// What a worker waits between two requests: the load shall be steady, not all that the machine can give.
const PAUSE: Duration = Duration::from_millis(5);

/// How a worker uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One for all its requests; only the server may close it, between two requests.
    KeepAlive,
    /// A new one for each request.
    New,
}

/// Workers that send one request after the other until they are stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    /// Over HTTPS if there is one.
    trust: Option<Trust>,
    /// Instead of the app's default name.
    host: Option<String>,
    workers: Vec<JoinHandle<Report>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests that were answered with 200.
    pub answered: u64,
    /// One line for each request that was not.
    pub failures: Vec<String>,
}

/// What one worker asks for, over and over.
#[derive(Clone, Debug)]
struct Job {
    address: SocketAddr,
    trust: Option<Trust>,
    host: String,
    method: &'static str,
    path: String,
    body: Vec<u8>,
    connections: Connections,
}

impl Load {
    /// No load yet.
    pub fn new() -> Self {
        Self { stop: Arc::new(AtomicBool::new(false)), trust: None, host: None, workers: Vec::new() }
    }

    /// Workers that are added from now on use HTTPS.
    pub fn over_tls(mut self, trust: &Trust) -> Self {
        self.trust = Some(trust.clone());
        self
    }

    /// Workers that are added from now on ask for this host.
    pub fn of_host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Adds workers that get a path.
    pub fn get(self, server: &Server, app: &str, path: &str, how: (Connections, usize)) -> Self {
        self.add(server, app, ("GET", path, b""), how)
    }

    /// Adds workers that send a request with a body.
    pub fn add(
        mut self,
        server: &Server,
        app: &str,
        (method, path, body): (&'static str, &str, &[u8]),
        (connections, workers): (Connections, usize),
    ) -> Self {
        let address = match self.trust {
            Some(_) => server.https_address().expect("the server has HTTPS"),
            None => server.http_address(),
        };
        let job = Job {
            address,
            trust: self.trust.clone(),
            host: self.host.clone().unwrap_or_else(|| server.host(app)),
            method,
            path: path.to_owned(),
            body: body.to_owned(),
            connections,
        };
        for _ in 0..workers {
            let (job, stop) = (job.clone(), self.stop.clone());
            self.workers.push(thread::spawn(move || job.repeat(&stop)));
        }
        self
    }

    /// Lets every worker finish its request, and adds up what they saw.
    pub fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = Report::default();
        for worker in self.workers {
            let report = worker.join().unwrap();
            total.answered += report.answered;
            total.failures.extend(report.failures);
        }
        total
    }
}

impl Report {
    /// Panics unless there were requests and all of them were answered with 200.
    #[track_caller]
    pub fn assert_flawless(&self) {
        let shown: Vec<_> = self.failures.iter().take(20).collect();
        assert!(shown.is_empty(), "{} of {} failed: {shown:#?}", self.failures.len(), self.answered);
        assert!(self.answered > 0, "the load sent no request");
    }
}

impl Job {
    fn repeat(&self, stop: &AtomicBool) -> Report {
        let mut report = Report::default();
        let mut kept = None;
        while !stop.load(Ordering::Relaxed) {
            match self.once(&mut kept) {
                Ok(response) if response.status == 200 => report.answered += 1,
                Ok(response) => report.failures.push(format!("{} {}", response.status, response.text())),
                Err(error) => report.failures.push(error.to_string()),
            }
            thread::sleep(PAUSE);
        }
        report
    }

    fn once(&self, kept: &mut Option<Connection>) -> std::io::Result<Response> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => match &self.trust {
                Some(trust) => Connection::over(trust.connect(self.address, &self.host)?),
                None => Connection::open(self.address)?,
            },
        };
        let response = connection.request(self.method, &self.host, &self.path, &self.body)?;
        let closes = response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if self.connections == Connections::KeepAlive && !closes {
            *kept = Some(connection);
        }
        Ok(response)
    }
}
