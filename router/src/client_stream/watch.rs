//! What follows a client's input, by what the connection speaks.

use crate::client::opening::Spoken;
use crate::frame_watch::FrameWatch;
use crate::head_watch::HeadWatch;

/// What follows the input.
#[derive(Debug)]
pub(crate) enum Watch {
    /// That of HTTP/1.1.
    Heads(HeadWatch),
    /// That of HTTP/2.
    Frames(FrameWatch),
}

impl Watch {
    /// One for a connection of which nothing was read.
    pub(crate) fn of(spoken: Spoken) -> Self {
        match spoken {
            Spoken::Http1 => Self::Heads(HeadWatch::default()),
            Spoken::Http2 => Self::Frames(FrameWatch::default()),
        }
    }

    /// Whether something has begun and not ended for which nobody should have to wait.
    pub(crate) fn is_inside_head(&self) -> bool {
        match self {
            Self::Heads(watch) => watch.is_inside_head(),
            Self::Frames(watch) => watch.is_inside_head(),
        }
    }

    /// Whether something has come of a request that is none of the first `served`.
    pub(crate) fn has_begun_another(&self, served: u64) -> bool {
        match self {
            Self::Heads(watch) => watch.is_inside_head() || watch.heads() > served,
            Self::Frames(_) => false,
        }
    }

    /// Whether nothing has come that is not whole.
    pub(crate) fn is_at_rest(&self) -> bool {
        match self {
            Self::Heads(watch) => watch.is_between_requests(),
            Self::Frames(watch) => watch.is_between_frames(),
        }
    }
}
