//! Room for the header values that the router makes for requests.
//!
//! A request's id stands in the request, in its answer, in the log and in the copy that may be sent again. `Bytes`
//! with a vector of their own are allocated twice for that: for the text, and for the count of its owners. Here many
//! values share one block, which is freed with the last of them.

use std::cell::RefCell;

use bytes::BytesMut;
use hyper::header::HeaderValue;

/// Bytes of a block: what some ten requests need. A request that lasts holds one for as long.
const BLOCK: usize = 1024;

/// What is left of a worker's block.
#[derive(Debug, Default)]
pub(crate) struct ValueBuffer(RefCell<BytesMut>);

impl ValueBuffer {
    /// The parts of a text as one value; `-` if it cannot be one.
    pub(crate) fn value(&self, parts: &[&[u8]]) -> HeaderValue {
        let mut block = self.0.borrow_mut();
        let length = parts.iter().map(|part| part.len()).sum();
        if block.capacity() < length {
            block.reserve(BLOCK.max(length));
        }
        parts.iter().for_each(|part| block.extend_from_slice(part));
        HeaderValue::from_maybe_shared(block.split().freeze())
            .unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_sizes_stand_side_by_side() {
        let buffer = ValueBuffer::default();
        let texts: Vec<String> = [1, 36, BLOCK - 37, 1, 3 * BLOCK, 0].map(|size| "x".repeat(size)).into();
        let values: Vec<HeaderValue> = texts.iter().map(|text| buffer.value(&[text.as_bytes()])).collect();
        assert_eq!(values, texts);
        assert_eq!(buffer.value(&[b"a", b"", b"b"]), "ab");
        assert_eq!(buffer.value(&[b"a\nb"]), "-");
    }
}
