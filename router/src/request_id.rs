//! Following a request: its id, and the trace that it belongs to (W3C Trace Context). Pure.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::value_buffer::ValueBuffer;

/// The header that carries a request's id.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that carries the trace and the span above.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the vendors of tracing add to it.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The id that a request came with, if it is one, or a new one.
pub(crate) fn request_id(headers: &HeaderMap, values: &ValueBuffer) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(id) if is_request_id(id.as_bytes()) => id.clone(),
        _ => new_request_id(values),
    }
}

/// What Heroku takes: 20 to 200 characters of base64 or of a UUID. None of them means anything in HTML, in JSON or in
/// a log.
pub(crate) fn is_request_id(id: &[u8]) -> bool {
    (20..=200).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'/' | b'='))
}

/// A random UUID (RFC 9562, version 4).
pub(crate) fn new_request_id(values: &ValueBuffer) -> HeaderValue {
    let mut random: [u8; 16] = rand::random();
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let mut id = [0; 32];
    write_hex(&random, &mut id);
    values.value(&[&id[..8], b"-", &id[8..12], b"-", &id[12..16], b"-", &id[16..20], b"-", &id[20..]])
}

/// Writes each byte as two digits.
fn write_hex(bytes: &[u8], text: &mut [u8]) {
    let digit = |four: u8| four + if four < 10 { b'0' } else { b'a' - 10 };
    for (byte, [high, low]) in bytes.iter().zip(text.as_chunks_mut().0) {
        (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
    }
}

/// Whether a text has lower-case hexadecimal digits only. Looks at all of them, many in one step.
pub(crate) fn is_lower_hex(text: &[u8]) -> bool {
    text.iter().fold(true, |all, byte| all & matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `t=` and milliseconds, as Heroku's router writes it.
pub(crate) fn request_start(milliseconds: u64, values: &ValueBuffer) -> HeaderValue {
    let mut number = itoa::Buffer::new();
    values.value(&[b"t=", number.format(milliseconds).as_bytes()])
}

/// Whether a proxy's word on when a request began can be passed on: `t=` or nothing, then digits, perhaps with a dot.
pub(crate) fn is_request_start(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"t=").unwrap_or(value);
    (1..=24).contains(&digits.len()) && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Makes the headers of a trace valid: those of the client if they are, else none, or a new trace if one is to begin.
///
/// The router sends no spans of its own, so the one that the client names stays the parent: a span that nobody ever
/// sees would tear the tree. `tracestate` without its trace means nothing (section 3.3 of the specification).
pub(crate) fn continue_or_begin_trace(headers: &mut HeaderMap, begin: impl FnOnce() -> Option<HeaderValue>) {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let is_valid =
        parents.next().is_some_and(|parent| is_traceparent(parent.as_bytes())) && parents.next().is_none();
    if is_valid {
        return;
    }
    headers.remove(TRACESTATE);
    match begin() {
        Some(parent) => headers.insert(TRACEPARENT, parent),
        None => headers.remove(TRACEPARENT),
    };
}

/// `00-TRACE-PARENT-FLAGS` (section 3.2). A later version may have more behind it, behind another hyphen.
pub(crate) fn is_traceparent(text: &[u8]) -> bool {
    let is_id = |text: &[u8]| is_lower_hex(text) && text.iter().any(|byte| *byte != b'0');
    let Some((known, more)) = text.split_at_checked(55) else { return false };
    let mut fields = known.split(|byte| *byte == b'-');
    let (Some(version), Some(trace), Some(parent), Some(flags), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    let lengths = (version.len(), trace.len(), parent.len(), flags.len()) == (2, 32, 16, 2);
    let version_fits =
        if version == b"00" { more.is_empty() } else { more.is_empty() || more.starts_with(b"-") };
    lengths
        && is_lower_hex(version)
        && version != b"ff"
        && is_id(trace)
        && is_id(parent)
        && is_lower_hex(flags)
        && version_fits
}

/// A trace that begins here. Where the request's id is a UUID, the trace has its digits, so that who knows one finds
/// the other.
///
/// It is marked as sampled: an app that samples by its parent, which is the default of OpenTelemetry, would otherwise
/// record nothing at all.
pub(crate) fn new_traceparent(request_id: &[u8], values: &ValueBuffer) -> HeaderValue {
    let trace = trace_of(request_id).unwrap_or_else(new_trace);
    let mut span = [0; 16];
    write_hex(&(rand::random::<u64>() | 1).to_be_bytes(), &mut span);
    values.value(&[b"00-", &trace, b"-", &span, b"-01"])
}

fn new_trace() -> [u8; 32] {
    let mut digits = [0; 32];
    write_hex(&(rand::random::<u128>() | 1).to_be_bytes(), &mut digits);
    digits
}

/// The digits of a UUID, if it is one and not zero.
fn trace_of(request_id: &[u8]) -> Option<[u8; 32]> {
    let id: &[u8; 36] = request_id.try_into().ok()?;
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&id[..8]);
    digits[8..12].copy_from_slice(&id[9..13]);
    digits[12..16].copy_from_slice(&id[14..18]);
    digits[16..20].copy_from_slice(&id[19..23]);
    digits[20..].copy_from_slice(&id[24..]);
    digits.make_ascii_lowercase();
    let has_hyphens = [id[8], id[13], id[18], id[23]] == [b'-'; 4];
    (has_hyphens && is_lower_hex(&digits) && digits != [b'0'; 32]).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_if_it_is_one() {
        for id in [
            "01234567890123456789",
            "9f9e7f1c-aaaa-4bbb-8ccc-121212121212",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "Root=1-67891233-abcdef012345678912345678",
        ] {
            assert!(is_request_id(id.as_bytes()), "{id}");
        }
        let long = "a".repeat(201);
        for id in [
            "",
            "0123456789012345678",
            &long,
            "0123456789 0123456789",
            "<script>alert(1)</script>",
            "éééééééééééé",
        ] {
            assert!(!is_request_id(id.as_bytes()), "{id}");
        }
    }

    #[test]
    fn a_new_id_is_a_uuid_and_never_the_same() {
        let values = ValueBuffer::default();
        let (one, two) = (new_request_id(&values), new_request_id(&values));
        assert_ne!(one, two);
        let text = one.to_str().unwrap();
        assert!(is_request_id(text.as_bytes()));
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(text.split('-').nth(2).unwrap().starts_with('4'));
        assert!(text.split('-').nth(3).unwrap().starts_with(['8', '9', 'a', 'b']));
        assert_eq!(request_start(u64::MAX, &values).to_str().unwrap(), format!("t={}", u64::MAX));
    }

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_as_the_specification_says() {
        for text in [
            GOOD,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later",
        ] {
            assert!(is_traceparent(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01later",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c0-b7ad6b716920333-01",
        ] {
            assert!(!is_traceparent(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_trace_that_begins_here_has_the_digits_of_the_requests_id() {
        let id = HeaderValue::from_static("9F9e7f1c-aaaa-4bbb-8ccc-121212121212");
        let values = ValueBuffer::default();
        let parent = new_traceparent(id.as_bytes(), &values);
        assert!(is_traceparent(parent.as_bytes()));
        assert!(parent.to_str().unwrap().starts_with("00-9f9e7f1caaaa4bbb8ccc121212121212-"), "{parent:?}");
        for id in ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "00000000-0000-0000-0000-000000000000", ""] {
            assert!(is_traceparent(new_traceparent(id.as_bytes(), &values).as_bytes()), "{id}");
        }
    }

    #[test]
    fn the_state_of_a_trace_goes_with_its_trace_only() {
        let values = ValueBuffer::default();
        let with = |parents: &[&'static str], begin: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
            for parent in parents {
                headers.append(TRACEPARENT, HeaderValue::from_static(parent));
            }
            continue_or_begin_trace(&mut headers, || begin.then(|| new_traceparent(b"", &values)));
            (headers.get(TRACEPARENT).cloned(), headers.contains_key(TRACESTATE))
        };
        assert_eq!(with(&[GOOD], true), (Some(HeaderValue::from_static(GOOD)), true));
        let (parent, state) = with(&[GOOD, GOOD], true);
        assert!(parent.is_some_and(|parent| parent != GOOD) && !state);
        assert_eq!(with(&["garbage"], false), (None, false));
    }
}
