//! Follows the frames of a client's HTTP/2 bytes beside h2 (RFC 9113, section 4.1), for what h2 does not limit: how
//! long the head of a request takes, and how many frames a client may send that ask for nothing.
//!
//! h2 itself refuses frames out of place, endless header blocks, and resets of requests that nobody has seen yet.
//! It answers every PING and every SETTINGS, though, and takes empty DATA for as long as they come.

use std::time::Instant;

/// What a connection begins with (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frames without a use that every connection may send.
const FREE: u64 = 1000;
/// Frames without a use that come with a request: some clients send a PRIORITY or a PING with each.
const FREE_PER_REQUEST: u64 = 2;
/// Bytes that were sent to the client for which it may send a frame without a use: the smallest frame of data that
/// carries a message of gRPC. Clients that measure a connection send a PING for every frame that they get.
const BYTES_PER_FREE: u64 = 16;
/// Frames without a use for each second of a connection: clients ask now and then whether it still exists, for as long
/// as somebody waits for an event.
const FREE_PER_SECOND: u64 = 1;
/// What the router writes for a PING. That for SETTINGS is shorter.
const PONG: u64 = 17;

const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The state of one connection's input.
#[derive(Debug)]
pub(crate) struct FrameWatch {
    /// Bytes of the preface, then of a frame's payload, that are still to come.
    left: usize,
    /// What `left` is of.
    place: Place,
    /// The part of a frame's header that has come.
    header: [u8; HEADER],
    header_length: usize,
    /// Between a HEADERS frame and the end of its block.
    inside_block: bool,
    /// Requests, and frames of data.
    useful: u64,
    useless: u64,
    began: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Preface,
    Data,
    Other,
}

impl Default for FrameWatch {
    fn default() -> Self {
        Self {
            left: PREFACE.len(),
            place: Place::Preface,
            header: [0; HEADER],
            header_length: 0,
            inside_block: false,
            useful: 0,
            useless: 0,
            began: Instant::now(),
        }
    }
}

impl FrameWatch {
    /// Whether something has begun and not ended for which nobody should have to wait: anything but data.
    pub(crate) fn is_inside_head(&self) -> bool {
        self.inside_block || self.header_length > 0 || (self.left > 0 && self.place != Place::Data)
    }

    /// Whether the last frame was read to its end and nothing of the next has come.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.left == 0 && self.header_length == 0
    }

    /// Whether the client sends more frames without a use than its use of the connection explains.
    pub(crate) fn is_flood(&self, written: u64) -> bool {
        if self.useless <= FREE {
            return false;
        }
        let answers = written.saturating_sub(self.useless * PONG);
        let by_time = self.began.elapsed().as_secs() * FREE_PER_SECOND;
        self.useless > FREE + by_time + self.useful * FREE_PER_REQUEST + answers / BYTES_PER_FREE
    }

    /// Takes the bytes that h2 is about to read.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let here = self.left.min(bytes.len());
                self.left -= here;
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            let here = bytes.len().min(HEADER - self.header_length);
            let (part, rest) = bytes.split_at_checked(here).unwrap_or((bytes, &[]));
            if let Some(room) = self.header.get_mut(self.header_length..self.header_length + here) {
                room.copy_from_slice(part);
            }
            self.header_length += here;
            bytes = rest;
            if self.header_length == HEADER {
                self.header_length = 0;
                self.frame();
            }
        }
    }

    fn frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.place = if kind == DATA { Place::Data } else { Place::Other };
        match kind {
            HEADERS => {
                self.useful += 1;
                self.inside_block = flags & END_HEADERS == 0;
            }
            CONTINUATION => self.inside_block &= flags & END_HEADERS == 0,
            DATA if self.left > 0 || flags & END_STREAM != 0 => self.useful += 1,
            // A client that reads slowly opens its windows byte by byte, and h2 bounds what that may come to.
            WINDOW_UPDATE => {}
            _ => self.useless += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    /// Feeds the same bytes in three sizes of pieces, which must come to the same.
    fn fed(bytes: &[u8]) -> FrameWatch {
        let watches = [bytes.len().max(1), 1, 7].map(|step| {
            let mut watch = FrameWatch::default();
            bytes.chunks(step).for_each(|part| watch.feed(part));
            watch
        });
        let [first, second, third] = watches;
        let state = |watch: &FrameWatch| {
            (watch.is_inside_head(), watch.is_between_frames(), watch.useful, watch.useless)
        };
        assert!(state(&first) == state(&second) && state(&second) == state(&third));
        first
    }

    #[test]
    fn it_knows_where_in_a_request_it_is() {
        assert!(fed(b"").is_inside_head(), "the preface is to come");
        let mut bytes = PREFACE.to_vec();
        assert!(fed(&bytes).is_between_frames() && !fed(&bytes).is_inside_head());
        bytes.extend(frame(HEADERS, 0, b"abc"));
        assert!(fed(&bytes).is_between_frames() && fed(&bytes).is_inside_head());
        bytes.extend(frame(CONTINUATION, 0, b""));
        assert!(fed(&bytes).is_inside_head());
        bytes.extend(frame(CONTINUATION, END_HEADERS, b"d"));
        assert!(!fed(&bytes).is_inside_head());
        bytes.extend(&frame(DATA, 0, b"hello")[..12]);
        assert!(!fed(&bytes).is_inside_head() && !fed(&bytes).is_between_frames(), "data may take its time");
        bytes.extend(b"lo");
        assert!(fed(&bytes).is_between_frames());
        bytes.extend(&frame(HEADERS, END_HEADERS, b"abc")[..11]);
        assert!(fed(&bytes).is_inside_head());
    }

    #[test]
    fn who_asks_once_a_second_whether_somebody_is_there_is_no_flood() {
        let mut watch = fed(PREFACE);
        (0..=FREE).for_each(|_| watch.feed(&frame(6, 0, b"12345678")));
        assert!(watch.is_flood(0));
        watch.began -= Duration::from_secs(60);
        assert!(!watch.is_flood(0));
    }

    #[test]
    fn frames_without_a_use_are_bounded_by_those_with_one() {
        let ping = frame(6, 0, b"12345678");
        let mut watch = fed(PREFACE);
        let send = |watch: &mut FrameWatch, frame: &[u8], times: u64| {
            (0..times).for_each(|_| watch.feed(frame));
        };
        send(&mut watch, &ping, FREE);
        assert!(!watch.is_flood(FREE * PONG));
        send(&mut watch, &ping, 1);
        assert!(watch.is_flood((FREE + 1) * PONG), "the answers to PING are no use");
        assert!(!watch.is_flood((FREE + 1) * PONG + BYTES_PER_FREE), "an answer is one");
        send(&mut watch, &frame(HEADERS, END_HEADERS, b"abc"), 1);
        assert!(!watch.is_flood(0));
        for useless in [frame(DATA, 0, b""), frame(4, 0, b""), frame(2, 0, b"12345"), frame(3, 0, b"1234")] {
            let mut watch = fed(PREFACE);
            send(&mut watch, &useless, FREE + 1);
            assert!(watch.is_flood(0), "{useless:?}");
        }
        let mut watch = fed(PREFACE);
        send(&mut watch, &frame(WINDOW_UPDATE, 0, b"\0\0\0\x01"), 10 * FREE);
        send(&mut watch, &frame(DATA, END_STREAM, b""), 10 * FREE);
        assert!(!watch.is_flood(0));
    }
}
