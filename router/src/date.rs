//! The time of an answer as it stands in its `Date` (RFC 9110, section 6.6.1). Over HTTP/1.1 hyper writes it.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::HeaderValue;

thread_local! {
    /// The second of Unix time that was asked for last, and how it is written.
    static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The present second.
pub(crate) fn now() -> HeaderValue {
    at(SystemTime::now())
}

fn at(time: SystemTime) -> HeaderValue {
    let second = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    LAST.with_borrow_mut(|last| match last {
        Some((known, value)) if *known == second => value.clone(),
        _ => last.insert((second, written(time))).1.clone(),
    })
}

fn written(time: SystemTime) -> HeaderValue {
    let text = Bytes::from(httpdate::fmt_http_date(time));
    // It is made of letters, digits and spaces.
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_second_is_written_anew() {
        for (milliseconds, text) in [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778_000, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            assert_eq!(at(UNIX_EPOCH + Duration::from_millis(milliseconds)), text);
        }
    }
}
