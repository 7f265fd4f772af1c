//! Bodies that are too large, and clients and apps that take too long.

use std::time::Duration;

use slipway_router::policy::Policy;
use tokio::sync::mpsc;

use super::support::{Backend, Site, app_with, within};

fn at_most(bytes: u64) -> impl FnOnce(&mut Policy) {
    move |policy| policy.bodies.max_request_bytes = Some(bytes)
}

/// Tells what came on each connection after its head.
async fn hoarding() -> (Backend, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (tell, told) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let tell = tell.clone();
        async move {
            wire.head().await;
            tell.send(wire.rest().await.0).unwrap();
        }
    })
    .await;
    (backend, told)
}

#[tokio::test]
async fn a_length_that_is_too_large_is_refused_before_anybody_is_bothered() {
    let backend = Backend::echo("").await;
    let mut site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], at_most(5))]);
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut wire = site.connect().await;
        wire.send(format!("PUT / HTTP/1.1\r\nHost: blog.test\r\n{expect}Content-Length: 6\r\n\r\n")).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status(), answer.code()), (413, Some("body-too-large")));
        assert_eq!(answer.head.get("connection"), Some("close"));
        wire.ended().await;
        assert_eq!(site.record().await.code, Some("body-too-large"));
    }
    assert_eq!(backend.accepted(), 0);
    for good in
        ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
    {
        let answer = site.ask(&format!("PUT / HTTP/1.1\r\nHost: blog.test\r\n{good}")).await;
        assert_eq!((answer.status(), answer.text()), (200, "hello"));
    }
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_never_looks_whole_to_the_app() {
    let (backend, mut told) = hoarding().await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], at_most(10))]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    wire.send("6\r\nabcdef\r\n5\r\nghijk\r\n0\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!((answer.status(), answer.code()), (413, Some("body-too-large")));
    let seen = String::from_utf8(within(told.recv()).await.unwrap()).unwrap();
    assert!(!seen.contains("0\r\n\r\n") && !seen.contains("ghijk"), "{seen:?}");
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_cuts_an_answer_that_has_begun() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
        wire.rest().await;
    })
    .await;
    let mut site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], at_most(10))]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await.unwrap(), b"hi");
    wire.send("a\r\n0123456789\r\n").await;
    assert!(wire.chunk().await.is_none(), "the answer looks whole");
    let record = site.record().await;
    assert_eq!((record.status, record.code), (200, Some("body-too-large")));
}

/// The pause is the client's in each of the three, whatever the app has done meanwhile.
#[tokio::test]
async fn a_client_that_stops_is_given_up_also_where_the_answer_has_begun() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
        wire.rest().await;
    })
    .await;
    let mut site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], |policy| {
        policy.timeouts.body = Duration::from_millis(100);
    })]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 5\r\n\r\nx").await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await.unwrap(), b"hi");
    assert!(wire.chunk().await.is_none(), "the answer looks whole");
    assert_eq!(site.record().await.code, Some("H28"));
}

#[tokio::test]
async fn an_app_that_does_not_read_is_the_one_that_is_late() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], |policy| {
        policy.timeouts.first_byte = Duration::from_millis(200);
    })]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 50000000\r\n\r\n").await;
    let (mut reading, mut writing) = wire.stream.into_split();
    // More than all buffers on the way take.
    let sending = tokio::spawn(async move {
        let sent = tokio::io::AsyncWriteExt::write_all(&mut writing, &vec![0; 50_000_000]).await;
        drop((sent, writing));
    });
    let mut answer = [0; 12];
    within(tokio::io::AsyncReadExt::read_exact(&mut reading, &mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 504");
    drop(reading);
    within(sending).await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_in_its_request_is_no_bad_request() {
    let (backend, mut told) = hoarding().await;
    let mut site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], |_| {})]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    wire.stream.set_zero_linger().unwrap();
    drop(wire);
    let seen = String::from_utf8(within(told.recv()).await.unwrap()).unwrap();
    assert!(!seen.contains("0\r\n\r\n"), "{seen:?}");
    let record = site.record().await;
    assert_eq!((record.status, record.code), (499, Some("H27")));
}
