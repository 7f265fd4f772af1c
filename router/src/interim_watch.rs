//! Looks for interim answers (1xx) in the bytes of an instance, beside hyper, and passes them on.
//!
//! hyper has a call for them, but it costs every request an allocation or four. An answer's status is at a fixed place
//! in its first bytes, so that looking there costs next to nothing. What follows a final status is never looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::client_stream::ConnectionFlags;
use crate::forward_headers::prepare_interim;
use crate::interims::hearer::{Hearer, MOST};
use crate::interims::stream::StreamInterims;

/// The longest head that is passed on. What is longer is hyper's to refuse.
const LONGEST: usize = 16 << 10;
/// As many headers as hyper takes.
const MAX_HEADERS: usize = 100;
/// Where the status begins: behind `HTTP/1.1 `.
const STATUS: usize = 9;

/// Who is to get the interim answers of one connection to an instance, request by request.
#[derive(Debug, Default)]
pub(crate) struct InterimLink {
    /// Whether an answer is awaited by somebody who takes them.
    awaited: AtomicBool,
    /// Protects who that is, or was. Both ends are on one thread.
    client: Mutex<Option<Hearer>>,
}

impl InterimLink {
    /// Passes the next answer's on to a client of HTTP/1.1.
    pub(crate) fn await_for(&self, client: &Arc<ConnectionFlags>) {
        client.interims.open();
        let mut last = self.client();
        // Nearly always a client's requests go the same way one after the other.
        if !matches!(&*last, Some(Hearer::Connection(last)) if Arc::ptr_eq(last, client)) {
            *last = Some(Hearer::Connection(Arc::clone(client)));
        }
        self.awaited.store(true, Ordering::Relaxed);
    }

    /// Passes the next answer's on to a client of HTTP/2.
    pub(crate) fn await_for_stream(&self, stream: Arc<StreamInterims>) {
        *self.client() = Some(Hearer::Stream(stream));
        self.awaited.store(true, Ordering::Relaxed);
    }

    fn client(&self) -> MutexGuard<'_, Option<Hearer>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of one connection's output.
#[derive(Debug)]
pub(crate) struct InterimWatch {
    link: Arc<InterimLink>,
    /// A head that may be an interim one, and whose end has not come.
    partial: Vec<u8>,
    /// Those that were passed on to this request.
    count: usize,
}

impl InterimWatch {
    pub(crate) fn new(link: &Arc<InterimLink>) -> Self {
        Self { link: Arc::clone(link), partial: Vec::new(), count: 0 }
    }

    /// Whether the bytes that are about to come matter here.
    #[inline]
    pub(crate) fn is_needed(&self) -> bool {
        self.link.awaited.load(Ordering::Relaxed)
    }

    /// Takes the bytes that hyper is about to read, if they matter.
    #[inline]
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !self.is_needed() {
            return;
        }
        let is_final = bytes.first() == Some(&b'H') && bytes.get(STATUS).is_some_and(|digit| *digit != b'1');
        if is_final && self.partial.is_empty() {
            self.end();
        } else {
            self.read_on(bytes);
        }
    }

    #[cold]
    fn read_on(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        loop {
            match Beginning::of(&self.partial) {
                Beginning::Interim { length, head } => {
                    self.pass(head);
                    self.partial.drain(..length);
                }
                Beginning::Unknown if self.partial.len() <= LONGEST => return,
                Beginning::Unknown | Beginning::Final => return self.end(),
            }
        }
    }

    fn pass(&mut self, head: Option<Response<()>>) {
        let Some(head) = head.filter(|_| self.count < MOST) else { return };
        self.count += 1;
        if let Some(client) = &*self.link.client() {
            client.pass(head);
        }
    }

    #[inline]
    fn end(&mut self) {
        self.link.awaited.store(false, Ordering::Relaxed);
        self.count = 0;
        if !self.partial.is_empty() {
            self.partial = Vec::new();
        }
    }
}

/// What an instance's bytes begin with.
#[derive(Debug)]
enum Beginning {
    /// A whole interim answer of so many bytes, and what the client gets of it, if it is for the client.
    Interim { length: usize, head: Option<Response<()>> },
    /// Too little to say.
    Unknown,
    /// The answer itself, or nothing that hyper takes for one.
    Final,
}

impl Beginning {
    fn of(bytes: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        // The same parser as hyper's, set up in the same way, so that both see an end in the same place.
        match answer.parse(bytes) {
            Ok(httparse::Status::Partial) => Self::Unknown,
            Ok(httparse::Status::Complete(length)) => match answer.code {
                // Who expects a 100 gets it when the body is asked for.
                Some(100) => Self::Interim { length, head: None },
                // 101 is the last that is said in HTTP.
                Some(status @ 102..=199) => {
                    Self::Interim { length, head: for_client(status, answer.headers) }
                }
                _ => Self::Final,
            },
            Err(_) => Self::Final,
        }
    }
}

/// The head as the client gets it.
fn for_client(status: u16, headers: &[httparse::Header<'_>]) -> Option<Response<()>> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        map.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    prepare_interim(&mut map);
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(status).ok()?;
    *answer.headers_mut() = map;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client gets of an instance's bytes, which come in pieces of `step`.
    fn passed(bytes: &[u8], step: usize) -> String {
        let (client, link) = (Arc::<ConnectionFlags>::default(), Arc::<InterimLink>::default());
        let mut watch = InterimWatch::new(&link);
        link.await_for(&client);
        bytes.chunks(step).for_each(|part| watch.feed(part));
        String::from_utf8(client.interims.take()).unwrap()
    }

    /// The same however they are cut.
    fn of(bytes: &str) -> String {
        let whole = passed(bytes.as_bytes(), bytes.len());
        for step in [1, 2, 7, 11] {
            assert_eq!(passed(bytes.as_bytes(), step), whole, "in steps of {step}");
        }
        whole
    }

    const FINAL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";

    #[test]
    fn interim_answers_are_passed_on_and_nothing_else() {
        assert_eq!(of(FINAL), "");
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\r\n";
        assert_eq!(of(&format!("{hints}{FINAL}")), hints);
        let two = format!("{hints}HTTP/1.1 102 Processing\r\n\r\n");
        assert_eq!(of(&format!("{two}{FINAL}")), two);
        assert_eq!(of(&format!("HTTP/1.1 199 Whatever it says\r\n\r\n{FINAL}")), "HTTP/1.1 199 \r\n\r\n");
        assert_eq!(of(&format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{FINAL}")), hints);
        assert_eq!(of(&format!("HTTP/1.1 101 Switching Protocols\r\n\r\n{hints}")), "");
    }

    #[test]
    fn headers_of_the_connection_are_not() {
        let bytes = "HTTP/1.1 103 Early Hints\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
            Transfer-Encoding: chunked\r\nContent-Length: 3\r\nTrailer: T\r\nX-Router-Error: H99\r\n\
            Upgrade: h2c\r\nX-End: 1\r\n\r\n";
        assert_eq!(of(bytes), "HTTP/1.1 103 Early Hints\r\nx-end: 1\r\n\r\n");
    }

    #[test]
    fn a_stream_gets_the_same_in_parts() {
        let (stream, link) = (Arc::<StreamInterims>::default(), Arc::<InterimLink>::default());
        let mut watch = InterimWatch::new(&link);
        link.await_for_stream(Arc::clone(&stream));
        let hints = "HTTP/1.1 103 Early Hints\r\nConnection: x\r\nX: 1\r\nLink: </a.css>\r\n\r\n";
        watch.feed(format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{FINAL}{hints}").as_bytes());
        let heads = stream.take();
        assert_eq!((heads.len(), heads[0].status().as_u16(), heads[0].headers().len()), (1, 103, 1));
        assert_eq!(heads[0].headers()["link"], "</a.css>");
    }

    #[test]
    fn what_is_no_head_ends_it() {
        let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
        for broken in [
            "HTTP/1.1 103 Early Hints\r\nBad Name: x\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nX: a\0b\r\n\r\n",
            "HTTP/1.1 1",
            "1111111111111111111\r\n\r\n",
        ] {
            assert_eq!(of(&format!("{broken}{hints}")), "", "{broken}");
        }
        let long = format!("HTTP/1.1 103 Early Hints\r\nX: {}\r\n\r\n{hints}", "x".repeat(2 * LONGEST));
        assert_eq!(passed(long.as_bytes(), 1000), "");
    }

    #[test]
    fn a_flood_is_cut_off_and_the_next_request_begins_anew() {
        let (client, link) = (Arc::<ConnectionFlags>::default(), Arc::<InterimLink>::default());
        let mut watch = InterimWatch::new(&link);
        let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n";
        for _ in 0..2 {
            watch.feed(hints);
            link.await_for(&client);
            for _ in 0..100 {
                watch.feed(hints);
            }
            watch.feed(FINAL.as_bytes());
            watch.feed(hints);
            assert_eq!(client.interims.take().len(), MOST * hints.len());
        }
    }
}
