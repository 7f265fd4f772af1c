//! HTTP/2 in front: its rules, and what hostile clients do with it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Response;
use slipway_router::settings::RouterSettings;
use slipway_router::table::{AppRoutes, Protocol};

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM,
    RawClient, SETTINGS, WINDOW_UPDATE, block, frame, get, indexed,
};
use super::speech::{Client, Front, Pair, backend, channel, collect, data, empty, full};
use super::support::{Backend, PATIENCE, Wire, until, within};

const PROTOCOL_ERROR: u32 = 1;
/// Times a hundred frames.
const FLOOD: usize = 100;

fn head<'a>(more: &[(&'a str, &'a str)]) -> Vec<u8> {
    let mut headers =
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "blog.test"), (":path", "/")];
    headers.extend(more);
    block(&headers)
}

/// What comes for a request with this block of headers: a status, or `None` for a reset of the stream or the end of
/// the connection.
async fn outcome(pair: &Pair, headers: &[u8]) -> Option<u16> {
    let mut client = RawClient::connect(pair.http, &[]).await;
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, headers)).await;
    loop {
        let frame = client.next().await?;
        match frame.kind {
            HEADERS => return Some(frame.status().unwrap_or(0)),
            RST_STREAM | GOAWAY => {
                assert_eq!(frame.reason(), PROTOCOL_ERROR);
                return None;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn malformed_requests_reach_no_app() {
    let backend = Backend::echo("blog").await;
    let pair = Pair::new(&backend, Protocol::Http1);
    for bad in [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        (":path", "/twice"),
        (":unknown", "x"),
        ("Upper", "x"),
        ("x", "a\r\nb"),
        ("x", "a\0b"),
    ] {
        assert_eq!(outcome(&pair, &head(&[bad])).await, None, "{bad:?}");
    }
    for bad in [
        // A pseudo-header behind a header; none at all; no path.
        block(&[(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/")]),
        block(&[("x", "y")]),
        block(&[(":method", "GET"), (":scheme", "http"), (":authority", "blog.test")]),
    ] {
        assert_eq!(outcome(&pair, &bad).await, None, "{bad:?}");
    }
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    let with = |more: &[(&'static str, &'static str)]| block(&[&pseudo[..], more].concat());
    for bad in [
        with(&[]),
        with(&[("host", "blog.test"), ("host", "blog.test")]),
        head(&[("host", "shop.test")]),
        with(&[("host", "a b")]),
        head(&[("content-length", "003")]),
    ] {
        let outcome = outcome(&pair, &bad).await;
        assert!(matches!(outcome, None | Some(400)), "{outcome:?}");
    }
    assert_eq!(backend.accepted(), 0);
    for good in [with(&[("host", "blog.test")]), head(&[("host", "blog.test")]), head(&[("te", "trailers")])]
    {
        assert_eq!(outcome(&pair, &good).await, Some(200));
    }
}

#[tokio::test]
async fn broken_frames_end_the_connection() {
    let backend = Backend::echo("blog").await;
    let pair = Pair::new(&backend, Protocol::Http1);
    for (what, bytes) in [
        ("data on no stream", frame(DATA, 0, 0, b"x")),
        ("data on an idle stream", frame(DATA, 0, 1, b"x")),
        ("headers on no stream", frame(HEADERS, END_HEADERS, 0, &get("/"))),
        ("headers on an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &get("/"))),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, b"")),
        (
            "something between headers and their continuation",
            [frame(HEADERS, 0, 1, &get("/")), frame(PING, 0, 0, &[0; 8])].concat(),
        ),
        ("a reset of an idle stream", frame(RST_STREAM, 0, 1, &[0; 4])),
        ("settings on a stream", frame(SETTINGS, 0, 1, b"")),
        ("settings of a wrong length", frame(SETTINGS, 0, 0, b"12345")),
        ("a ping of a wrong length", frame(PING, 0, 0, b"1234567")),
        ("a window that opens by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window that opens too far", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("a frame that is too large", frame(DATA, 0, 1, &vec![0; 20_000])),
        ("a push", frame(5, END_HEADERS, 1, &[0; 4])),
        ("a broken block", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20])),
        (
            "a stream that is older than the last",
            [3, 1].map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/"))).concat(),
        ),
    ] {
        let mut client = RawClient::connect(pair.http, &[]).await;
        client.send(bytes).await;
        let goodbye = client.next_of(GOAWAY).await.unwrap_or_else(|| panic!("{what}: no goodbye"));
        assert_ne!(goodbye.reason(), 0, "{what}");
        while client.next().await.is_some() {}
    }
    let mut client = RawClient::connect(pair.http, &[]).await;
    client.send(frame(0xbb, 0xff, 0, b"nobody knows this frame")).await;
    client.request(1, "/").await;
    assert_eq!(client.next_of(HEADERS).await.unwrap().status(), Some(200));
}

#[tokio::test]
async fn a_head_may_only_be_so_large() {
    let backend = Backend::echo("blog").await;
    let pair = Pair::new(&backend, Protocol::Http1);
    let names: Vec<String> = (0..130).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
    let mut client = pair.client(Front::Http2).await;
    let mut request = client.request("GET", "/");
    for (name, value) in &many {
        request = request.header(*name, *value);
    }
    let answer = client.send(request.body(empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 431);
    let crumbs = (0..1000).fold(client.request("GET", "/"), |request, _| request.header("cookie", "a=1"));
    let answer = client.send(crumbs.body(empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200, "crumbs are one header");
    let large = client.request("GET", "/").header("x", "y".repeat(70_000)).body(empty()).unwrap();
    let answer = client.send(large).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 431));
}

/// A kilobyte in the table that is named a thousand times is a megabyte.
#[tokio::test]
async fn a_head_that_unpacks_to_too_much_is_refused() {
    let backend = Backend::echo("blog").await;
    let pair = Pair::new(&backend, Protocol::Http1);
    let mut client = RawClient::connect(pair.http, &[]).await;
    let bomb = [get("/"), indexed("x", &"y".repeat(3000)), vec![0x80 | 62; 10_000]].concat();
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb)).await;
    // An answer (431, which has no code of its own), a reset or a goodbye: no request in any case.
    loop {
        let Some(frame) = client.next().await else { break };
        match frame.kind {
            HEADERS => {
                assert_eq!(frame.status(), None);
                break;
            }
            RST_STREAM | GOAWAY => break,
            _ => {}
        }
    }
    assert_eq!(backend.accepted(), 0);
}

#[tokio::test]
async fn floods_end_the_connection() {
    let backend = Backend::echo("blog").await;
    let pair = Pair::new(&backend, Protocol::Http1);
    for bytes in [
        frame(PING, 0, 0, b"12345678"),
        frame(SETTINGS, 0, 0, b""),
        frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1]),
        // Nobody knows this one.
        frame(0xbb, 0, 0, b""),
    ] {
        let client = RawClient::connect(pair.http, &[]).await;
        client.flood(&bytes.repeat(100), FLOOD).await;
    }
    let mut client = RawClient::connect(pair.http, &[]).await;
    client.send(frame(HEADERS, END_HEADERS, 1, &get("/"))).await;
    client.flood(&frame(DATA, 0, 1, b"").repeat(100), FLOOD).await;
    let mut client = RawClient::connect(pair.http, &[]).await;
    client.send(frame(HEADERS, 0, 1, &get("/"))).await;
    let more = frame(CONTINUATION, 0, 1, &block(&[("x", "y")]));
    client.flood(&more.repeat(100), FLOOD).await;
    // The router is well, and so is a client that is in its right mind.
    let mut client = pair.client(Front::Http2).await;
    assert_eq!(collect(client.get("/").await.into_body()).await.0, "blog");
}

/// Answers nothing, and says how many requests it has got and how many of them have ended.
async fn silent() -> (Backend, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (begun, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counts = (Arc::clone(&begun), Arc::clone(&ended));
    let backend = Backend::start("blog", move |mut wire: Wire| {
        let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
        async move {
            wire.head().await;
            begun.fetch_add(1, Ordering::SeqCst);
            wire.rest().await;
            ended.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    (backend, counts.0, counts.1)
}

#[tokio::test]
async fn requests_that_are_reset_at_once_are_refused_at_once() {
    let (backend, begun, _) = silent().await;
    let pair = Pair::new(&backend, Protocol::Http1);
    let mut client = RawClient::connect(pair.http, &[]).await;
    let mut bytes = Vec::new();
    for number in 0..5000 {
        let stream = number * 2 + 1;
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/")));
        bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    client.flood(&bytes, 1).await;
    client = RawClient::connect(pair.http, &[]).await;
    client.request(1, "/").await;
    until(|| begun.load(Ordering::SeqCst) > 0).await;
    assert!(begun.load(Ordering::SeqCst) < 500, "{begun:?}");
}

#[tokio::test]
async fn a_client_that_gives_up_all_its_requests_is_given_up() {
    let (backend, begun, ended) = silent().await;
    let pair = Pair::new(&backend, Protocol::Http1);
    let mut client = RawClient::connect(pair.http, &[]).await;
    let mut stream = 1;
    for round in 1..=11 {
        let first = stream;
        for _ in 0..100 {
            client.request(stream, "/").await;
            stream += 2;
        }
        let requests = round * 100;
        until(|| begun.load(Ordering::SeqCst) == requests).await;
        for stream in (first..stream).step_by(2) {
            // The last of them may find the connection gone.
            let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
            let _sent = within(tokio::io::AsyncWriteExt::write_all(&mut client.stream, &reset)).await;
        }
        // Each of them is cut behind the router as well.
        until(|| ended.load(Ordering::SeqCst) == requests).await;
    }
    // What is sent now may be read or not; no request of it is passed on.
    let request = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/"));
    let _sent = within(tokio::io::AsyncWriteExt::write_all(&mut client.stream, &request)).await;
    while client.next().await.is_some() {}
    assert_eq!(begun.load(Ordering::SeqCst), 1100);
}

fn hasty(settings: &mut RouterSettings) {
    settings.timeouts.head = Duration::from_millis(100);
    settings.timeouts.write = Duration::from_millis(100);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let backend = Backend::echo("blog").await;
    let pair = Pair::with(&backend, Protocol::Http1, hasty, |_| {});
    for begun in [
        PREFACE[..10].to_vec(),
        PREFACE.to_vec()[..23].to_vec(),
        [PREFACE, &frame(SETTINGS, 0, 0, b"")[..5]].concat(),
        [PREFACE, &frame(SETTINGS, 0, 0, b""), &frame(HEADERS, 0, 1, &get("/"))].concat(),
        [PREFACE, &frame(SETTINGS, 0, 0, b""), &frame(HEADERS, 0, 1, &get("/"))[..20]].concat(),
    ] {
        let mut wire = Wire::connect(pair.http).await;
        wire.send(&begun).await;
        wire.rest().await;
    }
    assert_eq!(backend.accepted(), 0);
}

/// A client that opens no window for an answer holds the app for as long as one that does not read over HTTP/1.1.
#[tokio::test]
async fn an_answer_that_its_client_does_not_take_is_given_up() {
    let ended = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&ended);
    let backend = Backend::start("blog", move |mut wire: Wire| {
        let ended = Arc::clone(&counter);
        async move {
            let head = wire.head().await;
            if head.line.contains("/small") {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            } else {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n").await;
                let zeros = vec![0; 10_000_000];
                // It is cut in the middle.
                drop(tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &zeros).await);
                wire.rest().await;
                ended.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let mut pair = Pair::with(&backend, Protocol::Http1, hasty, |_| {});
    let mut client = RawClient::connect(pair.http, &[(4, 0)]).await;
    client.request(1, "/large").await;
    assert_eq!(client.next_of(HEADERS).await.unwrap().status(), Some(200));
    let reset = client.next_of(RST_STREAM).await.unwrap();
    assert_eq!(reset.stream, 1);
    until(|| ended.load(Ordering::SeqCst) == 1).await;
    assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, Some("H27"));
    // The other streams of the connection do not suffer.
    client.request(3, "/small").await;
    assert_eq!(client.next_of(HEADERS).await.unwrap().status(), Some(200));
    let open = [0, 0, 0, 10];
    client.send(frame(WINDOW_UPDATE, 0, 3, &open)).await;
    assert_eq!(client.next_of(DATA).await.unwrap().payload, b"hi");
}

/// Those that wait for a place are not read, and what has come of them must leave the one that has a place its room.
#[tokio::test]
async fn uploads_that_wait_do_not_hold_up_the_one_that_they_wait_for() {
    let backend = backend(Protocol::Http1, |request| async move {
        let (bytes, _) = collect(request.into_body()).await;
        Response::new(full(bytes.len().to_string()))
    })
    .await;
    let one_at_a_time = |routes: &mut AppRoutes| {
        Arc::make_mut(&mut routes.policy).balance.max_in_flight = NonZeroU32::new(1);
    };
    let pair = Pair::with(&backend, Protocol::Http1, |_| {}, one_at_a_time);
    let mut client = pair.client(Front::Http2).await;
    let upload = |client: &Client| client.request("POST", "/").body(full(vec![b'x'; 1 << 20])).unwrap();
    let answers: Vec<_> = (0..10).map(|_| client.begin(upload(&client))).map(tokio::spawn).collect();
    for answer in answers {
        let (text, _) = collect(within(answer).await.unwrap().unwrap().into_body()).await;
        assert_eq!(text, (1 << 20).to_string());
    }
}

#[tokio::test]
async fn a_connection_that_rests_for_too_long_is_ended() {
    let backend = Backend::echo("blog").await;
    let rest = |settings: &mut RouterSettings| {
        settings.timeouts.keep_alive = Duration::from_millis(200);
        settings.timeouts.write = Duration::from_millis(200);
    };
    let pair = Pair::with(&backend, Protocol::Http1, rest, |_| {});
    let mut client = RawClient::connect(pair.http, &[]).await;
    client.request(1, "/").await;
    assert_eq!(client.next_of(DATA).await.unwrap().payload, b"blog");
    assert_eq!(client.next_of(GOAWAY).await.unwrap().reason(), 0);
    // It does not take the hint, and asks for an end that never comes.
    while client.next().await.is_some() {}
    // Nor does it help to ask for something and to leave the answer where it is.
    let mut client = RawClient::connect(pair.http, &[(4, 0)]).await;
    client.request(1, "/").await;
    assert_eq!(client.next_of(HEADERS).await.unwrap().status(), Some(200));
    while client.next().await.is_some() {}
}

#[tokio::test]
async fn a_shutdown_says_goodbye_and_lets_requests_end() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let backend = super::speech::backend(Protocol::Http1, move |_| {
        let gone = Arc::clone(&gone);
        async move {
            let gone = gone.lock().await.take().unwrap();
            let (sender, body) = channel();
            sender.send(data("begun")).unwrap();
            tokio::spawn(async move {
                gone.await.unwrap();
                sender.send(data("ended")).unwrap();
            });
            hyper::Response::new(body)
        }
    })
    .await;
    let pair = Pair::new(&backend, Protocol::Http1);
    let mut client = RawClient::connect(pair.http, &[]).await;
    client.request(1, "/").await;
    assert_eq!(client.next_of(DATA).await.unwrap().payload, b"begun");
    let handle = pair.handle.clone();
    let shutdown = tokio::spawn(async move { handle.shutdown(PATIENCE).await });
    let goodbye = client.next_of(GOAWAY).await.unwrap();
    assert_eq!(goodbye.reason(), 0);
    go.send(()).unwrap();
    assert_eq!(client.next_of(DATA).await.unwrap().payload, b"ended");
    // h2 says goodbye with a ping first, and ends when that is answered.
    client.send(frame(PING, 1, 0, &[0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54])).await;
    while client.next().await.is_some() {}
    assert_eq!(within(shutdown).await.unwrap(), 0);
}

/// Whatever the reason that the client gives: with "no error" it may say that it does not want the answer.
#[tokio::test]
async fn a_request_that_is_reset_never_looks_whole() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire: Wire| {
        let tell = tell.clone();
        async move {
            wire.head().await;
            let begun = wire.chunk().await;
            tell.send(begun.unwrap()).unwrap();
            tell.send(wire.rest().await.0).unwrap();
        }
    })
    .await;
    let pair = Pair::new(&backend, Protocol::Http1);
    for reason in [0, 8] {
        let mut client = RawClient::connect(pair.http, &[]).await;
        client.send(frame(HEADERS, END_HEADERS, 1, &get("/"))).await;
        client.send(frame(DATA, 0, 1, b"hi")).await;
        assert_eq!(within(told.recv()).await.unwrap(), b"hi");
        client.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, reason])).await;
        assert_eq!(within(told.recv()).await.unwrap(), b"");
    }
}

#[tokio::test]
async fn each_request_is_held_to_the_certificate() {
    let backend = Backend::echo("blog").await;
    let pair = Pair::new(&backend, Protocol::Http1);
    let mut client = pair.client(Front::Http2Tls).await;
    for (host, status) in [("blog.test", 200), ("strange.test", 421), ("other.test", 404), ("blog.test", 200)]
    {
        let mut request = client.request("GET", "/").body(empty()).unwrap();
        *request.uri_mut() = format!("https://{host}/").parse().unwrap();
        assert_eq!(client.send(request).await.unwrap().status(), status, "{host}");
    }
}
