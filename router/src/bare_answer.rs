//! hyper's own answers to what is no HTTP, which have a status and nothing else, made into pages with code and id.
//!
//! hyper answers such a request before any service sees it, and then closes the connection. Its answer is known by
//! what it is made of: nothing of the router's own goes without an id. It is the last that is written, by itself.

use bytes::{Buf, Bytes};
use hyper::header::HeaderValue;

use crate::error_page;
use crate::fault::Fault;
use crate::value_buffer::ValueBuffer;

/// hyper's heads have about 120 bytes.
const LONGEST: usize = 256;

/// A page that is being written in place of a bare answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// What is said.
    pub(crate) said: Said,
    /// What is still to be written.
    pub(crate) rest: Bytes,
}

/// What is said to a request that is none.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// What is wrong with it.
    pub(crate) fault: Fault,
    /// Its id.
    pub(crate) request_id: HeaderValue,
    /// The size of the page, without its head.
    pub(crate) bytes: u64,
}

impl Page {
    /// The page for bytes that hyper writes, if they are a bare answer.
    pub(crate) fn instead_of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LONGEST || !bytes.starts_with(b"HTTP/1.") {
            return None;
        }
        let fault = match bytes.get(9..12)? {
            b"400" => Fault::BadRequest("The request is not valid HTTP"),
            b"414" => Fault::TargetTooLong,
            b"431" => Fault::HeadTooLarge,
            _ => return None,
        };
        let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        lines.next();
        let is_hypers = |line: &str| {
            line == "connection: close" || line == "content-length: 0" || line.starts_with("date: ")
        };
        if !lines.clone().all(is_hypers) || !lines.clone().any(|line| line == "content-length: 0") {
            return None;
        }
        let date = lines.find(|line| line.starts_with("date: "));
        let request_id = crate::request_id::new_request_id(&ValueBuffer::default());
        let rest = error_page::message(fault, &request_id, date);
        let head = memchr::memmem::find(&rest, b"\r\n\r\n").map_or(rest.len(), |end| end + 4);
        let bytes = (rest.len() - head) as u64;
        Some(Self { said: Said { fault, request_id, bytes }, rest })
    }

    /// Notes that so many bytes were written; says whether that was all.
    pub(crate) fn advance(&mut self, count: usize) -> bool {
        self.rest.advance(count);
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_answers_are_replaced() {
        let bare = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\
                    date: Sat, 21 Nov 2026 12:00:00 GMT\r\n\r\n";
        let page = Page::instead_of(bare.as_bytes()).unwrap();
        assert_eq!(page.said.fault, Fault::HeadTooLarge);
        let text = std::str::from_utf8(&page.rest).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{text}");
        assert!(text.contains("\r\nx-router-error: H26\r\n") && text.contains("12:00:00 GMT"), "{text}");
        for other in [
            &bare.replace("431", "404"),
            &bare.replace("content-length: 0", "content-length: 1"),
            &bare.replace("connection: close", "x-request-id: abc"),
            &bare.replace("\r\n\r\n", "\r\n"),
            &format!("{bare}x"),
            "",
        ] {
            assert!(Page::instead_of(other.as_bytes()).is_none(), "{other}");
        }
    }
}
