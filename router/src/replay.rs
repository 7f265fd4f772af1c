//! What is kept of a request's body so that it can be sent a second time.
//!
//! Frames are kept as they pass, which copies nothing, and only up to a limit; what was not read yet is given back
//! when the connection lets go of the body. hyper does so in the same step in which it reports that the connection
//! died, and over HTTP/2 the router itself; if it is ever not so, the request is not sent again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use hyper::body::Frame;

use crate::memory::Counted;
use crate::request_body::Source;

/// Bytes of a body that are kept at most.
pub(crate) const LIMIT: usize = 64 << 10;

/// What is kept, shared by the body and whoever may send it again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replay(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    size: usize,
    /// Whether something is missing: too much was read, or there were trailers.
    incomplete: bool,
    /// What was not read, once the body was given back.
    rest: Option<(Source, Option<Counted>)>,
}

/// A body that begins again.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// What was read before.
    pub(crate) frames: VecDeque<Bytes>,
    /// What was not.
    pub(crate) source: Source,
    /// Where that is counted.
    pub(crate) counted: Option<Counted>,
}

impl Replay {
    /// Keeps a frame that passes.
    pub(crate) fn keep(&self, frame: &Frame<Bytes>) {
        let mut state = self.0.borrow_mut();
        let Some(data) = frame.data_ref() else {
            state.incomplete = true;
            return;
        };
        state.size += data.len();
        if state.size > LIMIT {
            state.incomplete = true;
            state.frames.clear();
        } else if !state.incomplete {
            state.frames.push_back(data.clone());
        }
    }

    /// Gives back what was not read.
    pub(crate) fn give_back(&self, source: Source, counted: Option<Counted>) {
        let mut state = self.0.borrow_mut();
        if !state.incomplete {
            state.rest = Some((source, counted));
        }
    }

    /// The whole body, if all of it is there.
    pub(crate) fn begin_again(&self) -> Option<Beginning> {
        let mut state = self.0.borrow_mut();
        let (source, counted) = state.rest.take().filter(|_| !state.incomplete)?;
        Some(Beginning { frames: std::mem::take(&mut state.frames), source, counted })
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderMap;

    use super::*;

    fn data(size: usize) -> Frame<Bytes> {
        Frame::data(Bytes::from(vec![b'x'; size]))
    }

    #[test]
    fn what_passed_is_there_again_once_it_was_given_back() {
        let kept = Replay::default();
        kept.keep(&data(3));
        kept.keep(&data(LIMIT - 3));
        assert!(kept.begin_again().is_none(), "the connection still has it");
        kept.give_back(Source::Nothing, None);
        let again = kept.begin_again().unwrap();
        assert_eq!(again.frames.iter().map(Bytes::len).collect::<Vec<_>>(), [3, LIMIT - 3]);
        assert!(kept.begin_again().is_none(), "once");
    }

    #[test]
    fn too_much_and_trailers_are_not_sent_again() {
        for frames in [vec![data(LIMIT), data(1), data(1)], vec![data(1), Frame::trailers(HeaderMap::new())]]
        {
            let kept = Replay::default();
            frames.iter().for_each(|frame| kept.keep(frame));
            kept.give_back(Source::Nothing, None);
            assert!(kept.begin_again().is_none());
            assert!(kept.0.borrow().size == 1 || kept.0.borrow().frames.is_empty());
        }
    }
}
