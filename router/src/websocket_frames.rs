//! Follows the frames that an app sends over a WebSocket (RFC 6455, section 5.2): only where one ends and the next may
//! begin, so that the router can say something of its own there. What is in them passes unseen.

/// The longest header of a frame that is not masked; no server masks (section 5.1).
const LONGEST_HEADER: usize = 10;
const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 8;
/// The second byte's bit for masked frames. Without it the byte is a length, or says how long the length is.
const MASK: u8 = 0x80;
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// The state of one direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct WebsocketFrames {
    place: Place,
    /// The part of a header whose end has not come.
    header: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The last frame was whole.
    #[default]
    Between,
    Header,
    /// So many bytes of a frame's payload are still to come.
    Payload(u64),
    /// Nothing may follow: the app has said goodbye, or what it said is no frame.
    Ended,
}

impl WebsocketFrames {
    /// Whether the last frame was whole and another may follow.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.place == Place::Between
    }

    /// Takes bytes that were written to the client.
    #[inline]
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        // Most are one short frame, and leave everything as it is.
        if let [first, length, payload @ ..] = bytes
            && payload.len() == usize::from(*length)
            && *length < TWO_BYTES
            && first & OPCODE != CLOSE
            && self.place == Place::Between
        {
            return;
        }
        self.read_on(bytes);
    }

    fn read_on(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.place {
                Place::Between | Place::Header => bytes = self.read_header(bytes),
                Place::Payload(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(here..).unwrap_or_default();
                    let left = left - here as u64;
                    self.place = if left == 0 { Place::Between } else { Place::Payload(left) };
                }
                Place::Ended => return,
            }
        }
    }

    /// Takes a byte of a header, and says what follows it.
    fn read_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((next, rest)) = bytes.split_first() else { return bytes };
        self.place = Place::Header;
        self.header.push(*next);
        match &*self.header {
            [_, second, ..] if second & MASK != 0 => self.place = Place::Ended,
            [first, TWO_BYTES, high, low] => self.begin(*first, u16::from_be_bytes([*high, *low]).into()),
            [first, EIGHT_BYTES, length @ ..] if length.len() == LONGEST_HEADER - 2 => {
                let length = length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
                self.begin(*first, length);
            }
            [first, length] if *length < TWO_BYTES => self.begin(*first, u64::from(*length)),
            _ => {}
        }
        rest
    }

    fn begin(&mut self, first: u8, length: u64) {
        self.header.clear();
        self.place = match length {
            _ if first & OPCODE == CLOSE => Place::Ended,
            0 => Place::Between,
            length => Place::Payload(length),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of the app with so much in it.
    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(length as u8),
            126..65536 => {
                frame.push(TWO_BYTES);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(EIGHT_BYTES);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + length, 0xff);
        frame
    }

    /// Whether something may be said after these bytes, however they were cut.
    fn is_between(bytes: &[u8]) -> bool {
        let answers = [bytes.len().max(1), 1, 3].map(|step| {
            let mut frames = WebsocketFrames::default();
            bytes.chunks(step).for_each(|part| frames.feed(part));
            frames.is_between_frames()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        answers[0]
    }

    #[test]
    fn only_whole_frames_may_be_followed() {
        assert!(is_between(b""));
        let mut all = Vec::new();
        for length in [0, 1, 125, 126, 127, 65535, 65536] {
            let frame = frame(2, length);
            assert!(is_between(&frame), "{length}");
            assert!(!is_between(&frame[..frame.len() - 1]), "{length}");
            assert!(!is_between(&frame[..1]), "{length}");
            all.extend(frame);
        }
        assert!(is_between(&all));
    }

    #[test]
    fn nothing_follows_a_goodbye_or_what_is_no_frame() {
        assert!(!is_between(&frame(CLOSE, 2)));
        assert!(!is_between(&[frame(1, 5), frame(CLOSE, 0), frame(1, 5)].concat()));
        assert!(!is_between(&[0x81, MASK, 0, 0, 0, 0]));
    }
}
