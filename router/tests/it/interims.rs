//! Interim answers (1xx) over HTTP/1.1, as raw bytes on both sides.

use std::sync::Arc;

use slipway_router::table::Entrance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};

use super::support::{Backend, Site, Wire, app, port_route, within};
use super::tls_support::{TlsSite, certificate, client_config, connect, show};
use super::upgrade::HANDSHAKE;

const GET: &str = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";
pub const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
pub const FINAL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers each request with these bytes, and what comes after them once it is told to.
pub async fn backend(first: String, then: &'static str) -> (Backend, Arc<Semaphore>) {
    let told = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&told);
    let backend = Backend::start("blog", move |mut wire| {
        let (first, told) = (first.clone(), Arc::clone(&wait));
        async move {
            while let Some(head) = wire.try_head().await {
                wire.send(&first).await;
                if !then.is_empty() {
                    told.acquire().await.unwrap().forget();
                    wire.send(then).await;
                }
                wire.body(&head).await;
            }
        }
    })
    .await;
    (backend, told)
}

/// The heads until the first that is final, and its body.
pub async fn whole_answer(wire: &mut Wire) -> (Vec<u16>, String) {
    let mut statuses = Vec::new();
    loop {
        let head = wire.head().await;
        statuses.push(head.status());
        if head.status() >= 200 {
            let body = wire.body(&head).await;
            return (statuses, String::from_utf8(body).unwrap());
        }
    }
}

#[tokio::test]
async fn hints_come_before_the_answer_is_known() {
    let (backend, told) = backend(HINTS.to_owned(), FINAL).await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    for _ in 0..3 {
        wire.send(GET).await;
        let head = wire.head().await;
        assert_eq!((head.line.as_str(), head.headers.len()), ("HTTP/1.1 103 Early Hints", 1));
        assert_eq!(head.get("link"), Some("</a.css>; rel=preload"));
        told.add_permits(1);
        let answer = wire.answer().await;
        assert_eq!((answer.status(), answer.text()), (200, "ok"));
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn several_arrive_in_order_also_in_one_piece_with_the_answer() {
    let all = format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}HTTP/1.1 100 Continue\r\n\r\n{HINTS}{FINAL}");
    let (backend, _told) = backend(all, "").await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    for _ in 0..3 {
        wire.send(GET).await;
        assert_eq!(whole_answer(&mut wire).await, (vec![102, 103, 103, 200], "ok".to_owned()));
    }
}

#[tokio::test]
async fn headers_of_the_connection_stay_behind() {
    let hints = "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 9\r\n\
        Transfer-Encoding: chunked\r\nLink: </a.css>\r\n\r\n";
    let (backend, _told) = backend(format!("{hints}{FINAL}"), "").await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(GET).await;
    assert_eq!(wire.head().await.headers, [("link".to_owned(), "</a.css>".to_owned())]);
    assert_eq!(wire.answer().await.text(), "ok");
}

#[tokio::test]
async fn what_is_no_head_is_a_bad_answer() {
    for broken in ["HTTP/1.1 103 Early Hints\r\nBad Name: 1\r\n\r\n", "HTTP/1.1 103 x\r\nX: a\x01b\r\n\r\n"] {
        let (backend, _told) = backend(format!("{HINTS}{broken}{FINAL}"), "").await;
        let site = Site::with(&[&backend]);
        let mut wire = site.connect().await;
        wire.send(GET).await;
        assert_eq!(wire.head().await.status(), 103, "what came before it is good");
        let answer = wire.answer().await;
        assert_eq!((answer.status(), answer.code()), (502, Some("H17")));
    }
}

#[tokio::test]
async fn a_flood_is_cut_off_and_the_answer_is_not() {
    let (backend, _told) = backend(format!("{}{FINAL}", HINTS.repeat(10_000)), "").await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    for _ in 0..2 {
        wire.send(GET).await;
        let (statuses, body) = whole_answer(&mut wire).await;
        assert!(statuses.len() <= 33, "{}", statuses.len());
        assert_eq!((statuses.last(), body.as_str()), (Some(&200), "ok"));
    }
}

#[tokio::test]
async fn they_never_break_into_an_answer_before_them() {
    const LARGE: usize = 6 << 20;
    let (come, mut has_come) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let come = come.clone();
        async move {
            while let Some(head) = wire.try_head().await {
                if head.line.starts_with("GET /large") {
                    wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")).await;
                    wire.send(vec![b'x'; LARGE]).await;
                } else {
                    wire.send(HINTS).await;
                    come.send(()).unwrap();
                    wire.send(FINAL).await;
                }
            }
        }
    })
    .await;
    let site = Site::with(&[&backend]);
    for read_first in [true, false] {
        let mut wire = site.connect().await;
        wire.send("GET /large HTTP/1.1\r\nHost: blog.test\r\n\r\n".to_owned() + GET + GET).await;
        if !read_first {
            // Most of the large answer is in buffers when the second request reaches the app.
            let head = wire.head().await;
            let mut left = LARGE;
            while has_come.try_recv().is_err() {
                let piece = left.min(64 << 10);
                assert!(wire.exactly(piece).await.iter().all(|byte| *byte == b'x'));
                left -= piece;
                tokio::task::yield_now().await;
                if left == 0 {
                    break;
                }
            }
            assert_eq!(head.status(), 200);
            assert!(wire.exactly(left).await.iter().all(|byte| *byte == b'x'));
        } else {
            let answer = wire.answer().await;
            assert!(answer.body.len() == LARGE && answer.body.iter().all(|byte| *byte == b'x'));
        }
        for _ in 0..2 {
            let (statuses, body) = whole_answer(&mut wire).await;
            assert!(statuses == [103, 200] || statuses == [200], "{statuses:?}");
            assert_eq!(body, "ok");
        }
        while has_come.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn clients_that_know_none_get_none() {
    let (backend, _told) = backend(format!("{HINTS}{FINAL}"), "").await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.0\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(whole_answer(&mut wire).await.0, [200]);
}

#[tokio::test]
async fn they_go_together_with_an_expectation() {
    let (backend, told) = backend(format!("{HINTS}HTTP/1.1 100 Continue\r\n\r\n"), FINAL).await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    let interim = [wire.head().await.status(), wire.head().await.status()];
    assert_eq!(interim, [103, 100]);
    told.add_permits(1);
    wire.send("hi").await;
    assert_eq!(wire.answer().await.text(), "ok");
}

#[tokio::test]
async fn they_may_come_before_an_upgrade() {
    let upgraded =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
    let (backend, _told) = backend(format!("{HINTS}{upgraded}"), FINAL).await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(HANDSHAKE).await;
    assert_eq!(wire.head().await.status(), 103);
    assert_eq!(wire.head().await.status(), 101);
    assert_eq!(wire.exactly(5).await, b"hello");
}

#[tokio::test]
async fn they_are_encrypted_where_the_rest_is() {
    let (backend, told) = backend(HINTS.to_owned(), FINAL).await;
    let site = TlsSite::start_with(|_| {});
    let mut routes = app("blog", &[&backend]);
    routes.ports.push(port_route(Entrance::Https, &backend));
    site.publish(vec![routes]);
    show(&site, &[&certificate(&["blog.test"])]);
    let mut stream = connect(site.https, "blog.test", client_config()).await.unwrap();
    within(stream.write_all(GET.as_bytes())).await.unwrap();
    let mut hints = vec![0; HINTS.len()];
    within(stream.read_exact(&mut hints)).await.unwrap();
    assert_eq!(String::from_utf8(hints).unwrap(), HINTS);
    told.add_permits(1);
    let mut status = [0; 15];
    within(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
}
