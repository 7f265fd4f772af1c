//! The whole of what clients do to make two servers disagree on where a request ends, with a follow-up request on
//! the same connection each time and every byte that reaches the app looked at.
//!
//! The cases are those of Http11Probe's MUST set, of RFC 9112, and of request smuggling as it was found in others.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::support::{Backend, PATIENCE, Site};

/// What reached the app, byte by byte, over all of its connections.
type Captured = Arc<Mutex<Vec<u8>>>;

/// A backend that keeps every byte, and answers each head with its line. It reads bodies strictly: what it cannot
/// read, it reads for ever.
async fn capturing() -> (Backend, Captured) {
    let captured = Captured::default();
    let keep = Arc::clone(&captured);
    let backend = Backend::start("blog", move |mut wire| {
        let keep = Arc::clone(&keep);
        async move {
            let mut pending = Vec::new();
            let mut room = vec![0; 64 << 10];
            while let Ok(count @ 1..) = wire.stream.read(&mut room).await {
                keep.lock().unwrap().extend_from_slice(&room[..count]);
                pending.extend_from_slice(&room[..count]);
                while let Some((line, length)) = whole_request(&pending) {
                    pending.drain(..length);
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
                    if wire.stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
    })
    .await;
    (backend, captured)
}

/// The line and the length of the first request in some bytes, if it is there to its end.
fn whole_request(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is ASCII");
    assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head:?}");
    let value = |name: &str| {
        let mut values = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.trim().to_owned());
        assert!(values.next().is_none(), "{name} twice: {head:?}");
        value
    };
    assert_eq!(value("host").as_deref(), Some("blog.test"), "{head:?}");
    let line = head.lines().next().unwrap_or_default().to_owned();
    match (value("transfer-encoding"), value("content-length")) {
        (Some(_), Some(_)) => panic!("two lengths: {head:?}"),
        (Some(coding), None) => {
            assert_eq!(coding, "chunked");
            chunks(&bytes[end..]).map(|length| (line, end + length))
        }
        (None, length) => {
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            (bytes.len() >= end + length).then_some((line, end + length))
        }
    }
}

fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut place = 0;
    loop {
        let rest = &bytes[place..];
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        place += end + 2 + size + 2;
        if bytes.len() < place {
            return None;
        }
        assert_eq!(&bytes[place - 2..place], b"\r\n");
        if size == 0 {
            return Some(place);
        }
    }
}

const FOLLOW_UP: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: blog.test\r\n\r\n";

/// Sends bytes and a follow-up, and gives back the statuses of all answers, 0 for a connection that stays open, until
/// there are as many as are expected and, if that is one, the connection has ended.
async fn statuses(site: &Site, request: &[u8], expected: usize) -> Vec<u16> {
    let mut wire = site.connect().await;
    wire.send(&[request, FOLLOW_UP].concat()).await;
    let mut statuses = Vec::new();
    let reading = async {
        while statuses.len() < expected || expected == 1 {
            let Some(head) = wire.try_head().await else { return };
            wire.body(&head).await;
            statuses.push(head.status());
        }
    };
    if timeout(PATIENCE / 4, reading).await.is_err() {
        statuses.push(0);
    }
    statuses
}

/// A request with these header lines behind `Host`, and a body.
fn with(method: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{method} / HTTP/1.1\r\nHost: blog.test\r\n{headers}\r\n\r\n{body}").into_bytes()
}

/// First lines.
const LINES: &[&str] = &[
    "GET  / HTTP/1.1",
    " GET / HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET /  HTTP/1.1",
    "GET\t/ HTTP/1.1",
    "GET /\tHTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET / http/1.1",
    "GET / HTTP/1.2",
    "GET / HTTP/0.9",
    "GET / HTTP/3.0",
    "GET / HTTP/11",
    "GET / HTTP/1.1.1",
    "GET / HTTP/ 1.1",
    "GET / HTTP/1,1",
    "GET / XTTP/1.1",
    "GET /",
    "GET",
    "GE(T / HTTP/1.1",
    "GET: / HTTP/1.1",
    "GET\0 / HTTP/1.1",
    "GET /\0 HTTP/1.1",
    "GET /\x7f HTTP/1.1",
    "GET /\r HTTP/1.1",
    "GET ?q HTTP/1.1",
    "GET a HTTP/1.1",
    "GET * HTTP/1.1",
    "GET /#a HTTP/1.1",
    "GET /?q#a HTTP/1.1",
    "GET http:// HTTP/1.1",
    "GET http:///a HTTP/1.1",
    "GET https://blog.test/ HTTP/1.1",
    "GET http://shop.test/ HTTP/1.1",
    "GET http://u:p@blog.test/ HTTP/1.1",
    "GET ftp://blog.test/ HTTP/1.1",
    "GET blog.test HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "POST * HTTP/1.1",
];

/// Values of `Host`.
const HOSTS: &[&str] = &[
    "",
    "u@blog.test",
    "blog.test/",
    "blog.test?",
    "blog.test#",
    "blog%2etest",
    "blog.test:+80",
    "blog.test:65536",
    "blog.test:80:80",
    ":80",
    "blog.test,blog.test",
    "blog.test blog.test",
    "[::1",
    "\"blog.test\"",
    "http://blog.test",
];

/// What stands below a first line.
const HEADS: &[&str] = &[
    "",
    "Host: blog.test\r\nHost: blog.test\r\n",
    "Host: blog.test\r\nhOST: shop.test\r\n",
    "Host : blog.test\r\n",
    "Host\t: blog.test\r\n",
    " Host: blog.test\r\n",
    "Host: blog.test\r\n X: y\r\n",
    "Host: blog.test\r\n\tfolded\r\n",
    "Host: blog.test\r\nX: a\0b\r\n",
    "Host: blog.test\r\nX: a\rb\r\n",
    "Host: blog.test\r\nX: a\x01\r\n",
    "Host: blog.test\r\nX\0: a\r\n",
    "Host: blog.test\r\n: a\r\n",
    "Host: blog.test\r\nnothing\r\n",
    "Host: blog.test\r\nX Y: a\r\n",
    "Host: blog.test\r\n\u{e9}: a\r\n",
    "Host: blog.test\r\nX[]: a\r\n",
    "Host: blog.test\r\nX: \x7f\r\n",
    "Host: blog.test\r\r\n",
    "Host: blog.test\n",
    "Host: blog.test\r\nX: a\nY: b\r\n",
];

/// Values of `Content-Length`.
const LENGTHS: &[&str] = &[
    "",
    " ",
    "+3",
    "-1",
    "0x3",
    "3.0",
    "1e1",
    "3 3",
    "3,",
    ",3",
    "3, 3",
    "3,4",
    "3;",
    "003",
    "00",
    "\x0b3",
    "3\x0c",
    "\"3\"",
    "18446744073709551616",
    "99999999999999999999999",
    "3\r\nContent-Length: 4",
    "0\r\ncontent-LENGTH: 3",
    "3\r\nTransfer-Encoding: chunked",
    "0\r\nTransfer-Encoding: chunked",
    "3\r\nX: y\r\ntransfer-encoding:chunked",
    "3\r\nTransfer-Encoding: identity",
];

/// Values of `Transfer-Encoding`.
const CODINGS: &[(&str, u16)] = &[
    ("", 400),
    ("x", 400),
    ("xchunked", 400),
    ("chunkedx", 400),
    ("identity", 400),
    ("gzip", 400),
    ("chunked, identity", 400),
    ("chunked, gzip", 400),
    ("chunked, chunked", 400),
    ("gzip, chunked", 501),
    ("identity, chunked", 501),
    (", chunked", 501),
    ("chunked,", 400),
    ("\"chunked\"", 400),
    ("\x0bchunked", 400),
    ("chunked\x0b", 400),
    ("chunked;q=1", 400),
    ("chunked\r\nTransfer-Encoding: chunked", 400),
    ("chunked\r\nTransfer-Encoding: identity", 400),
    ("identity\r\nTransfer-Encoding: chunked", 400),
    ("\r\n chunked", 400),
    ("chunked\0", 400),
    ("chunked\r\nContent-Length: 3", 400),
];

/// Requests that are refused, of which nothing may reach the app.
fn refused() -> Vec<(Vec<u8>, u16)> {
    let mut cases: Vec<(Vec<u8>, u16)> = Vec::new();
    for line in LINES {
        cases.push((format!("{line}\r\nHost: blog.test\r\n\r\n").into_bytes(), 400));
    }
    for (line, status) in [("CONNECT blog.test:80 HTTP/1.1", 405), ("TRACE / HTTP/1.1", 405)] {
        cases.push((format!("{line}\r\nHost: blog.test\r\n\r\n").into_bytes(), status));
    }
    for host in HOSTS {
        cases.push((format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(), 400));
    }
    for lines in HEADS {
        cases.push((format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes(), 400));
    }
    for length in LENGTHS {
        cases.push((with("POST", &format!("Content-Length: {length}"), "abc"), 400));
        cases.push((with("GET", &format!("Content-Length: {length}"), "abc"), 400));
    }
    for (coding, status) in CODINGS {
        cases.push((with("POST", &format!("Transfer-Encoding: {coding}"), "3\r\nabc\r\n0\r\n\r\n"), *status));
    }
    for headers in [
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding\0: chunked",
        "Content-Length : 3",
        "\u{b}Content-Length: 3",
    ] {
        cases.push((with("POST", headers, "3\r\nabc\r\n0\r\n\r\n"), 400));
    }
    cases.push((
        b"POST / HTTP/1.0\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        400,
    ));
    cases.push((with("GET", "Expect: 200-ok", ""), 417));
    cases.push((with("POST", "Expect: 100-continue, x\r\nContent-Length: 3", "abc"), 417));
    cases.push((b"GET / HTTP/1.1\nHost: blog.test\n\n".to_vec(), 400));
    cases.push((b"GET / HTTP/1.1\r\nHost: blog.test\r\n\n".to_vec(), 400));
    cases
}

#[tokio::test]
async fn what_two_servers_could_read_in_two_ways_is_refused_before_the_app() {
    let (backend, captured) = capturing().await;
    let site = Site::with(&[&backend]);
    let mut wrong = Vec::new();
    for (request, status) in refused() {
        let answers = statuses(&site, &request, 1).await;
        if answers != [status] {
            wrong.push((String::from_utf8_lossy(&request).into_owned(), answers));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(captured.lock().unwrap().is_empty(), "{:?}", String::from_utf8_lossy(&captured.lock().unwrap()));
}

/// Requests whose head is right and whose body is not: the app may see the head, and no second request.
fn broken_bodies() -> Vec<&'static str> {
    vec![
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcX0\r\n\r\n",
        "3;x\ny\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3, 3\r\nabc\r\n0\r\n\r\n",
        "0\n\n",
        "0\r\nX\r\n\r\n",
    ]
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_end_of_its_connections() {
    let mut wrong = Vec::new();
    for body in broken_bodies() {
        let (backend, captured) = capturing().await;
        let site = Site::with(&[&backend]);
        let answers = statuses(&site, &with("POST", "Transfer-Encoding: chunked", body), 1).await;
        if !matches!(answers[..], [] | [400]) {
            wrong.push((body, answers));
        }
        let bytes = captured.lock().unwrap();
        let seen = String::from_utf8_lossy(&bytes);
        assert!(!seen.contains("smuggled"), "{body:?}: {seen}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn trailers_whose_end_two_servers_could_see_in_two_places_are_the_last_of_a_connection() {
    let (backend, captured) = capturing().await;
    let site = Site::with(&[&backend]);
    let body = "0\r\n\nGET /swallowed HTTP/1.1\r\nHost: blog.test\r\n\r\n";
    let answers = statuses(&site, &with("POST", "Transfer-Encoding: chunked", body), 1).await;
    assert!(matches!(answers[..], [200, 400] | [400]), "{answers:?}");
    let bytes = captured.lock().unwrap();
    let seen = String::from_utf8_lossy(&bytes);
    assert!(!seen.contains("GET /"), "{seen}");
}

/// Requests that are unusual and right: the line that the app sees, and whether a body comes with it.
fn passed() -> Vec<(Vec<u8>, &'static str)> {
    let chunked = "Transfer-Encoding: chunked";
    let trailer = "0\r\nContent-Length: 5\r\nHost: evil\r\nTransfer-Encoding: x\r\n\r\n";
    vec![
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: blog.test\r\n\r\n".to_vec(), "GET / HTTP/1.1"),
        (b"GET http://blog.test:80/a HTTP/1.1\r\nHost: blog.test\r\n\r\n".to_vec(), "GET /a HTTP/1.1"),
        (b"GET //blog.test/ HTTP/1.1\r\nHost: blog.test\r\n\r\n".to_vec(), "GET //blog.test/ HTTP/1.1"),
        (b"GET /%00%0d%0a HTTP/1.1\r\nHost: blog.test\r\n\r\n".to_vec(), "GET /%00%0d%0a HTTP/1.1"),
        (b"OPTIONS * HTTP/1.1\r\nHost: blog.test\r\n\r\n".to_vec(), "OPTIONS * HTTP/1.1"),
        (b"M-SEARCH / HTTP/1.1\r\nHost: blog.test\r\n\r\n".to_vec(), "M-SEARCH / HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nHost:blog.test\r\nX:\r\n\r\n".to_vec(), "GET / HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nHost: \tblog.test \t\r\n\r\n".to_vec(), "GET / HTTP/1.1"),
        (with("POST", "Content-Length: 0", ""), "POST / HTTP/1.1"),
        (with("GET", "Content-Length: 3", "abc"), "GET / HTTP/1.1"),
        // The same length twice is one length (RFC 9110, section 8.6).
        (with("POST", "Content-Length: 3\r\nContent-Length: 3", "abc"), "POST / HTTP/1.1"),
        (with("DELETE", chunked, "3\r\nabc\r\n0\r\n\r\n"), "DELETE / HTTP/1.1"),
        (with("POST", "TRANSFER-encoding:\tCHUNKED ", "3\r\nabc\r\n0\r\n\r\n"), "POST / HTTP/1.1"),
        (with("POST", chunked, "03;smuggled=\"x\"\r\nabc\r\n000\r\n\r\n"), "POST / HTTP/1.1"),
        (with("POST", chunked, "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "POST / HTTP/1.1"),
        (with("POST", chunked, trailer), "POST / HTTP/1.1"),
        (
            with(
                "POST",
                "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
                "3\r\nabc\r\n0\r\n\r\n",
            ),
            "POST / HTTP/1.1",
        ),
        (with("POST", "Connection: Content-Length, Host\r\nContent-Length: 3", "abc"), "POST / HTTP/1.1"),
        (
            with("POST", "Transfer_Encoding: chunked\r\nContent_Length: 9\r\nContent-Length: 3", "abc"),
            "POST / HTTP/1.1",
        ),
        (
            with(
                "GET",
                "Upgrade: h2c\r\nConnection: upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ",
                "",
            ),
            "GET / HTTP/1.1",
        ),
        (
            with("GET", "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 3", "abc"),
            "GET / HTTP/1.1",
        ),
        (with("POST", "Content-Length: 43", std::str::from_utf8(FOLLOW_UP).unwrap()), "POST / HTTP/1.1"),
        (with("GET", "X-HTTP-Method-Override: CONNECT", ""), "GET / HTTP/1.1"),
    ]
}

#[tokio::test]
async fn what_is_unusual_and_right_is_one_request_and_the_next_one_another() {
    for (request, line) in passed() {
        let (backend, captured) = capturing().await;
        let site = Site::with(&[&backend]);
        let shown = String::from_utf8_lossy(&request).into_owned();
        assert_eq!(statuses(&site, &request, 2).await, [200, 200], "{shown:?}");
        let bytes = captured.lock().unwrap();
        let (first, length) = whole_request(&bytes).unwrap();
        assert_eq!(first, line, "{shown:?}");
        let (second, rest) = whole_request(&bytes[length..]).unwrap();
        assert_eq!((second.as_str(), bytes.len()), ("GET /smuggled HTTP/1.1", length + rest), "{shown:?}");
        let head = String::from_utf8_lossy(&bytes[..length]).to_ascii_lowercase();
        for name in ["_", "upgrade", "http2-settings", "evil", "smuggled="] {
            assert!(!head.contains(name), "{name}: {head}");
        }
    }
}
