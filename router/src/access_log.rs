//! One record for each request, and its form as a line of text. Writing it to a file is somebody else's work.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Version};
use tokio::sync::{Notify, mpsc};

/// How long a record may wait for company, and how many travel together at most.
///
/// Handing each over by itself would wake the reader's thread, a system call, for each request.
const BATCH_WAIT: Duration = Duration::from_millis(50);
const BATCH: usize = 64;

/// What happened to one request.
#[derive(Clone, Debug)]
pub struct AccessRecord {
    /// When its head had been read.
    pub time: SystemTime,
    /// The app, if the host named one.
    pub app: Option<Arc<str>>,
    /// The instance that the request was sent to (`web.1`).
    pub instance: Option<Arc<str>>,
    /// The method.
    pub method: Method,
    /// The request's version.
    pub version: Version,
    /// The scheme on the client's side.
    pub scheme: &'static str,
    /// The first `Host` header as it came, which need not be valid.
    pub host: Option<HeaderValue>,
    /// The target's path and query as they came.
    pub path: Option<PathAndQuery>,
    /// The request's id.
    pub request_id: HeaderValue,
    /// The client's address.
    pub client: IpAddr,
    /// How long connecting to the instance took; zero on a connection that was there already.
    pub connect: Duration,
    /// From the head of the request to the end of the answer.
    pub service: Duration,
    /// The answer's status; 499 if the client went away before there was one.
    pub status: u16,
    /// Bytes of the answer's body, or of an upgraded connection towards the client.
    pub bytes: u64,
    /// What went wrong: a code of Heroku's where there is one.
    pub code: Option<&'static str>,
    /// The same as a sentence.
    pub description: Option<&'static str>,
}

impl AccessRecord {
    /// Appends the record in the form of Heroku's router, without a line's end.
    pub fn write_logfmt(&self, line: &mut String) {
        match self.code {
            None => line.push_str("at=info"),
            Some(code) => {
                line.push_str("at=error code=");
                line.push_str(code);
                field(line, "desc", self.description.unwrap_or_default().as_bytes());
            }
        }
        line.push_str(" method=");
        line.push_str(self.method.as_str());
        field(line, "path", self.path.as_ref().map_or("", |path| path.as_str()).as_bytes());
        field(line, "host", self.host.as_ref().map_or(b"", |host| host.as_bytes()));
        line.push_str(" request_id=");
        line.push_str(self.request_id.to_str().unwrap_or("-"));
        let written = write!(
            line,
            " fwd=\"{}\" dyno={} connect={}ms service={}ms status={} bytes={} protocol={}",
            self.client,
            self.instance.as_deref().unwrap_or_default(),
            self.connect.as_millis(),
            self.service.as_millis(),
            self.status,
            self.bytes,
            self.scheme,
        );
        // Writing to a string cannot fail.
        debug_assert!(written.is_ok());
    }
}

/// Writes ` name="value"`. Quotes, backslashes and what is not printable ASCII are escaped, so that no client can
/// begin a field or a line of its own.
fn field(line: &mut String, name: &str, value: &[u8]) {
    line.push(' ');
    line.push_str(name);
    line.push_str("=\"");
    for byte in value {
        match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            byte if byte.is_ascii_graphic() || *byte == b' ' => line.push(char::from(*byte)),
            byte => {
                let written = write!(line, "\\x{byte:02x}");
                debug_assert!(written.is_ok());
            }
        }
    }
    line.push('"');
}

/// The records of all workers, in batches. Those of one worker come in the order in which their answers ended.
#[derive(Debug)]
pub struct AccessRecords {
    batches: mpsc::Receiver<Vec<AccessRecord>>,
}

impl AccessRecords {
    /// The next records; `None` when the router has shut down.
    pub async fn next_batch(&mut self) -> Option<Vec<AccessRecord>> {
        self.batches.recv().await
    }
}

/// Where workers put their records.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    batches: mpsc::Sender<Vec<AccessRecord>>,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    pub(crate) fn new() -> (Self, AccessRecords) {
        let (sender, receiver) = mpsc::channel(1024);
        (Self { batches: sender, dropped: Arc::default() }, AccessRecords { batches: receiver })
    }

    /// The counter of records that were dropped because nobody read them in time.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }
}

/// One worker's end of the log.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: AccessLog,
    batch: RefCell<Vec<AccessRecord>>,
    begun: Notify,
}

impl Recorder {
    pub(crate) fn new(log: AccessLog) -> Self {
        Self { log, batch: RefCell::default(), begun: Notify::new() }
    }

    /// Takes a record. It never waits: requests matter more than their log.
    pub(crate) fn record(&self, record: AccessRecord) {
        let count = {
            let mut batch = self.batch.borrow_mut();
            batch.push(record);
            batch.len()
        };
        if count >= BATCH {
            self.flush();
        } else if count == 1 {
            self.begun.notify_one();
        }
    }

    /// Hands over what there is.
    pub(crate) fn flush(&self) {
        let batch = self.batch.take();
        let count = batch.len() as u64;
        if count > 0 && self.log.batches.try_send(batch).is_err() {
            self.log.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Hands over records that wait for too long.
    pub(crate) async fn run(&self) {
        loop {
            self.begun.notified().await;
            tokio::time::sleep(BATCH_WAIT).await;
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AccessRecord {
        AccessRecord {
            time: SystemTime::UNIX_EPOCH,
            app: Some(Arc::from("blog")),
            instance: Some(Arc::from("web.1")),
            method: Method::GET,
            version: Version::HTTP_11,
            scheme: "http",
            host: Some(HeaderValue::from_static("blog.example.com")),
            path: Some(PathAndQuery::from_static("/posts?page=2")),
            request_id: HeaderValue::from_static("9f9e7f1c-aaaa-4bbb-8ccc-121212121212"),
            client: IpAddr::from([10, 0, 0, 9]),
            connect: Duration::from_millis(1),
            service: Duration::from_millis(18),
            status: 200,
            bytes: 13,
            code: None,
            description: None,
        }
    }

    fn line(record: &AccessRecord) -> String {
        let mut line = String::new();
        record.write_logfmt(&mut line);
        line
    }

    #[test]
    fn a_line_is_what_heroku_writes() {
        insta::assert_snapshot!(line(&record()), @r#"at=info method=GET path="/posts?page=2" host="blog.example.com" request_id=9f9e7f1c-aaaa-4bbb-8ccc-121212121212 fwd="10.0.0.9" dyno=web.1 connect=1ms service=18ms status=200 bytes=13 protocol=http"#);
        let failed = AccessRecord {
            status: 502,
            code: Some("H21"),
            description: Some("The app does not accept connections"),
            ..record()
        };
        assert!(
            line(&failed)
                .starts_with(r#"at=error code=H21 desc="The app does not accept connections" method="#)
        );
    }

    #[test]
    fn a_client_cannot_write_fields_or_lines_of_its_own() {
        let host = HeaderValue::from_bytes(b"a\" status=200 \\ \xff").unwrap();
        let line = line(&AccessRecord { host: Some(host), ..record() });
        assert!(line.contains(r#" host="a\" status=200 \\ \xff" request_id="#), "{line}");
    }

    #[tokio::test]
    async fn records_that_nobody_reads_are_counted_and_dropped() {
        let (log, mut records) = AccessLog::new();
        let dropped = log.dropped();
        let recorder = Recorder::new(log);
        for _ in 0..1030 * BATCH {
            recorder.record(record());
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 6 * BATCH as u64);
        assert_eq!(records.next_batch().await.unwrap().len(), BATCH);
    }
}
