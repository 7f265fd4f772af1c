//! Bodies: how large they may be, and what is done to them.

use crate::requests::catalogue::{Setting, put};
use crate::requests::values::{ValueError, boolean, optional_size, show_option, show_size, size};

/// More memory for one buffered body than this is a mistake.
const MOST_MEMORY: u64 = 64 << 20;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "max-body-size",
        about: "the largest body of a request; over it: 413",
        example: "20m",
        apply: |draft, text| put(&mut draft.policy.bodies.max_request_bytes, optional_size(text)),
        show: |draft| show_option(draft.policy.bodies.max_request_bytes.map(show_size)),
    },
    Setting {
        key: "compression",
        about: "compresses texts for clients that take it (zstd, br, gzip)",
        example: "true",
        apply: |draft, text| put(&mut draft.policy.bodies.compression, boolean(text)),
        show: |draft| draft.policy.bodies.compression.to_string(),
    },
    Setting {
        key: "buffer-requests",
        about: "takes a request whole before an instance sees it, so that slow clients hold none",
        example: "true",
        apply: |draft, text| put(&mut draft.policy.bodies.buffer_requests, boolean(text)),
        show: |draft| draft.policy.bodies.buffer_requests.to_string(),
    },
    Setting {
        key: "buffer-responses",
        about: "takes an answer from the instance as fast as it comes; streams of events are left alone",
        example: "true",
        apply: |draft, text| put(&mut draft.policy.bodies.buffer_responses, boolean(text)),
        show: |draft| draft.policy.bodies.buffer_responses.to_string(),
    },
    Setting {
        key: "buffer-memory",
        about: "what of a buffered body stays in memory; the rest goes to an unlinked file",
        example: "1m",
        apply: |draft, text| put(&mut draft.policy.bodies.buffer_memory_bytes, memory(text)),
        show: |draft| show_size(draft.policy.bodies.buffer_memory_bytes as u64),
    },
    Setting {
        key: "buffer-size",
        about: "the largest body that is buffered; a larger one is passed on as it comes",
        example: "100m",
        apply: |draft, text| put(&mut draft.policy.bodies.buffer_bytes, size(text)),
        show: |draft| show_size(draft.policy.bodies.buffer_bytes),
    },
];

fn memory(text: &str) -> Result<usize, ValueError> {
    let bytes = size(text).ok().filter(|bytes| *bytes <= MOST_MEMORY);
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| ValueError::new(text, "a size up to 64m: write for example 64k or 1m"))
}
