//! An answer in the form of HTTP/2. Pure but for the date.

use hyper::body::Body;
use hyper::header;
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::date;
use crate::request_id::X_REQUEST_ID;

/// Makes of an answer that was made for HTTP/1.1 the head and the body of one of HTTP/2, with what hyper adds there.
pub(crate) fn as_http2(answer: Response<ResponseBody>, is_head: bool) -> (Response<()>, ResponseBody) {
    let (mut parts, body) = answer.into_parts();
    let headers = &mut parts.headers;
    // What an instance says of its connection has ended at the router; a page of the router's own may say it again.
    headers.remove(header::CONNECTION);
    headers.entry(header::DATE).or_insert_with(date::now);
    if parts.status == StatusCode::NO_CONTENT {
        // Not even zero (RFC 9110, section 8.6): over HTTP/2 clients take another for the length of what is missing.
        headers.remove(header::CONTENT_LENGTH);
    }
    if let Some(id) = headers.get_mut(X_REQUEST_ID) {
        // No two answers have the same, so that it has no place in the table of headers that were sent before: it
        // would drive those out that come again, and h2 compares it with each of its like.
        id.set_sensitive(true);
    }
    if body.is_end_stream() {
        return (Response::from_parts(parts, ()), body);
    }
    if let Some(length) = body.size_hint().exact() {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    // The router's own answers have bodies, whatever the method was.
    let body = if is_head { ResponseBody::empty() } else { body };
    (Response::from_parts(parts, ()), body)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn page() -> Response<ResponseBody> {
        let page = ResponseBody::page(Bytes::from_static(b"hello"));
        Response::builder().header("connection", "close").header("x-request-id", "id").body(page).unwrap()
    }

    #[test]
    fn a_page_gets_its_length_and_loses_what_is_of_a_connection() {
        let (head, body) = as_http2(page(), false);
        let headers = head.headers();
        assert!(!headers.contains_key("connection") && headers.contains_key("date"));
        assert!(headers["x-request-id"].is_sensitive());
        assert_eq!(headers["content-length"], "5");
        assert!(!body.is_end_stream());
    }

    #[test]
    fn an_answer_to_head_is_a_length_without_a_body() {
        let (head, body) = as_http2(page(), true);
        assert_eq!(head.headers()["content-length"], "5");
        assert!(body.is_end_stream());
    }

    #[test]
    fn an_answer_that_has_no_content_has_no_length() {
        let answer = Response::builder().status(204).header("content-length", "5");
        let (head, _) = as_http2(answer.body(ResponseBody::empty()).unwrap(), false);
        assert!(!head.headers().contains_key("content-length"));
    }

    #[test]
    fn what_the_instance_says_stays() {
        let mut answer = Response::new(ResponseBody::empty());
        answer.headers_mut().insert("date", "Thu, 01 Jan 1970 00:00:00 GMT".parse().unwrap());
        let (head, _) = as_http2(answer, false);
        assert_eq!(head.headers().len(), 1);
        assert_eq!(head.headers()["date"], "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
