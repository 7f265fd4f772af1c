//! One record for each request, and its forms as a line of text. Writing it to a file is somebody else's work.

mod combined;
mod json;
mod logfmt;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Version};
use tokio::sync::{Notify, mpsc};

use crate::policy::log::LogFormat;
use crate::request_id::is_lower_hex;

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
    /// The form that the app wants.
    pub format: LogFormat,
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
    /// The `traceparent` that the instance was told (W3C Trace Context); noted only for forms that have it.
    pub trace: Option<HeaderValue>,
    /// Where the client says it found the address; noted only for forms that have it.
    pub referer: Option<HeaderValue>,
    /// What the client says it is; noted only for forms that have it.
    pub user_agent: Option<HeaderValue>,
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
    /// Appends the record in the form that its app wants, without a line's end; nothing if it wants none.
    pub fn write(&self, line: &mut String) {
        match self.format {
            LogFormat::Logfmt => logfmt::write(self, line),
            LogFormat::Json => json::write(self, line),
            LogFormat::Combined => combined::write(self, line),
            LogFormat::Off => {}
        }
    }

    /// Appends the record in the form of Heroku's router, without a line's end.
    pub fn write_logfmt(&self, line: &mut String) {
        logfmt::write(self, line);
    }

    /// The trace that it belongs to: 32 hexadecimal digits, the second field of its `traceparent`.
    fn trace_id(&self) -> Option<&str> {
        let id = self.trace.as_ref()?.as_bytes().get(3..35)?;
        std::str::from_utf8(id).ok().filter(|_| is_lower_hex(id))
    }

    /// When the answer had ended.
    pub fn ended(&self) -> SystemTime {
        self.time + self.service
    }
}

/// A version as requests have it.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// Appends formatted text.
fn put(line: &mut String, text: fmt::Arguments<'_>) {
    let written = line.write_fmt(text);
    // Writing to a string cannot fail.
    debug_assert!(written.is_ok());
}

/// Appends a number.
fn put_number(line: &mut String, number: impl itoa::Integer) {
    line.push_str(itoa::Buffer::new().format(number));
}

/// Appends an address: a tenth of what the library's formatting takes for most of them.
pub(crate) fn put_address(line: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else { return put(line, format_args!("{address}")) };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            line.push('.');
        }
        put_number(line, octet);
    }
}

/// Appends a value of a client's between quotes. Quotes, backslashes and what is not printable ASCII are escaped, so
/// that no client can begin a field or a line of its own.
fn put_quoted(line: &mut String, value: &[u8]) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    line.push('"');
    match std::str::from_utf8(value) {
        // Without a stop at the first that is not, so that many are looked at in one step.
        Ok(text) if value.iter().fold(true, |all, byte| all & is_plain(byte)) => line.push_str(text),
        _ => value.iter().for_each(|byte| match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            byte if is_plain(byte) => line.push(char::from(*byte)),
            byte => put(line, format_args!("\\x{byte:02x}")),
        }),
    }
    line.push('"');
}

/// The records of all workers, in batches. Those of one worker come in the order in which their answers ended.
#[derive(Debug)]
pub struct AccessRecords {
    batches: mpsc::Receiver<Vec<AccessRecord>>,
    lost: Arc<Lost>,
}

/// Records that were dropped because nobody read them in time, by app, since that was asked last.
///
/// The lock protects the map. It is taken only for records that are dropped, 64 of them at a time.
#[derive(Debug, Default)]
struct Lost(Mutex<HashMap<Arc<str>, u64>>);

impl Lost {
    fn add(&self, records: Vec<AccessRecord>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for app in records.into_iter().filter_map(|record| record.app) {
            *counts.entry(app).or_default() += 1;
        }
    }
}

impl AccessRecords {
    /// More records, if there are any already.
    pub fn try_next_batch(&mut self) -> Option<Vec<AccessRecord>> {
        self.batches.try_recv().ok()
    }

    /// How many records of each app were dropped since this was asked last.
    pub fn take_lost(&self) -> HashMap<Arc<str>, u64> {
        std::mem::take(&mut *self.lost.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

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
    lost: Arc<Lost>,
}

impl AccessLog {
    pub(crate) fn new() -> (Self, AccessRecords) {
        let (sender, receiver) = mpsc::channel(1024);
        let lost = Arc::<Lost>::default();
        let records = AccessRecords { batches: receiver, lost: Arc::clone(&lost) };
        (Self { batches: sender, dropped: Arc::default(), lost }, records)
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
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.log.batches.try_send(batch) {
            let batch = error.into_inner();
            self.log.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
            self.log.lost.add(batch);
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

    /// A record of which only what a test is about has to be said.
    pub(super) fn record() -> AccessRecord {
        AccessRecord {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_234_801),
            app: Some(Arc::from("blog")),
            format: LogFormat::Logfmt,
            instance: Some(Arc::from("web.1")),
            method: Method::GET,
            version: Version::HTTP_11,
            scheme: "http",
            host: Some(HeaderValue::from_static("blog.example.com")),
            path: Some(PathAndQuery::from_static("/posts?page=2")),
            request_id: HeaderValue::from_static("9f9e7f1c-aaaa-4bbb-8ccc-121212121212"),
            trace: None,
            referer: None,
            user_agent: None,
            client: IpAddr::from([10, 0, 0, 9]),
            connect: Duration::from_millis(1),
            service: Duration::from_millis(18),
            status: 200,
            bytes: 13,
            code: None,
            description: None,
        }
    }

    #[test]
    fn each_app_has_its_form() {
        let begins = |format, expected: &str| {
            let mut line = String::new();
            AccessRecord { format, ..record() }.write(&mut line);
            assert!(line.starts_with(expected), "{line}");
        };
        begins(LogFormat::Logfmt, "at=info ");
        begins(LogFormat::Json, "{\"at\":");
        begins(LogFormat::Combined, "10.0.0.9 - - [");
        let mut line = String::new();
        AccessRecord { format: LogFormat::Off, ..record() }.write(&mut line);
        assert_eq!(line, "");
    }

    #[tokio::test]
    async fn records_that_nobody_reads_are_counted_and_dropped() {
        let (log, mut records) = AccessLog::new();
        let dropped = log.dropped();
        let recorder = Recorder::new(log);
        for _ in 0..1030 * BATCH {
            recorder.record(record());
        }
        let lost = 6 * BATCH as u64;
        assert_eq!(dropped.load(Ordering::Relaxed), lost);
        assert_eq!(records.take_lost(), HashMap::from([(Arc::from("blog"), lost)]));
        assert!(records.take_lost().is_empty());
        assert_eq!(records.next_batch().await.unwrap().len(), BATCH);
        assert_eq!(records.try_next_batch().unwrap().len(), BATCH);
    }
}
