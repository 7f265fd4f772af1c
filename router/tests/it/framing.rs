//! Where one message ends and the next begins, with clients that lie about it.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use super::support::{Backend, Head, Site, app};

/// A backend that notes every head it gets.
async fn noting() -> (Backend, Arc<Mutex<Vec<Head>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    let backend = Backend::start("blog", move |mut wire| {
        let noted = Arc::clone(&noted);
        async move {
            while let Some(head) = wire.try_head().await {
                let body = wire.body(&head).await;
                let line = head.line.clone();
                noted.lock().unwrap().push(head);
                let length = line.len() + body.len();
                wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{line}")).await;
                wire.send(body).await;
            }
        }
    })
    .await;
    (backend, heads)
}

/// A request that must not be passed on, with the status that refuses it.
const REFUSED: &[(&str, u16)] = &[
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: blog.test\r\nHost: blog.test\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: u@blog.test\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: blog.test/x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: blog.test, blog.test\r\n\r\n", 400),
    ("GET http://blog.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400),
    ("GET http://u@blog.test/ HTTP/1.1\r\nHost: blog.test\r\n\r\n", 400),
    ("GET ftp://blog.test/ HTTP/1.1\r\nHost: blog.test\r\n\r\n", 400),
    ("GET blog.test:80 HTTP/1.1\r\nHost: blog.test\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: blog.test\r\n\r\n", 400),
    ("GET /é HTTP/1.1\r\nHost: blog.test\r\n\r\n", 400),
    ("GET /#a HTTP/1.1\r\nHost: blog.test\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: blog.test\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: blog.test\n\n", 400),
    ("GET / HTTP/1.1\r\nHost : blog.test\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: blog.test\r\n folded\r\n\r\n", 400),
    ("CONNECT blog.test:80 HTTP/1.1\r\nHost: blog.test\r\n\r\n", 405),
    ("TRACE / HTTP/1.1\r\nHost: blog.test\r\n\r\n", 405),
    ("GET / HTTP/1.1\r\nHost: blog.test\r\nExpect: 200-ok\r\n\r\n", 417),
    (
        "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 003\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: +3\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    (
        "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST / HTTP/1.0\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
];

#[tokio::test]
async fn requests_that_break_the_rules_are_refused_and_never_passed_on() {
    let (backend, heads) = noting().await;
    let site = Site::with(&[&backend]);
    for (request, status) in REFUSED {
        let mut wire = site.connect().await;
        // A second request behind it must not be answered: nobody knows where it begins.
        wire.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: blog.test\r\n\r\n")).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status(), *status, "{request:?}");
        wire.ended().await;
    }
    assert!(heads.lock().unwrap().is_empty(), "{heads:?}");
    assert_eq!(site.get("blog.test").await.status(), 200);
}

#[tokio::test]
async fn the_rules_hold_for_later_requests_of_a_connection_too() {
    let (backend, heads) = noting().await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(
        "POST /1 HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         POST /2 HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 2\r\n\r\nhi\
         POST /3 HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /4 HTTP/1.1\r\nHost: blog.test\r\n\r\n",
    )
    .await;
    assert_eq!(wire.answer().await.text(), "POST /1 HTTP/1.1abc");
    assert_eq!(wire.answer().await.text(), "POST /2 HTTP/1.1hi");
    assert_eq!(wire.answer().await.status(), 400);
    wire.ended().await;
    assert_eq!(heads.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_body_that_looks_like_a_request_is_a_body() {
    let (backend, heads) = noting().await;
    let site = Site::with(&[&backend]);
    let inner = "GET /smuggled HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut wire = site.connect().await;
    for _ in 0..2 {
        let length = inner.len();
        wire.send(format!("POST /a HTTP/1.1\r\nHost: blog.test\r\nContent-Length: {length}\r\n\r\n{inner}"))
            .await;
        assert_eq!(wire.answer().await.text(), format!("POST /a HTTP/1.1{inner}"));
        wire.send(format!(
            "POST /b HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n"
        ))
        .await;
        assert_eq!(wire.answer().await.text(), format!("POST /b HTTP/1.1{inner}"));
    }
    assert_eq!(heads.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_an_ordinary_request() {
    let (backend, heads) = noting().await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(
        "GET /1 HTTP/1.1\r\nHost: blog.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi\
         GET /2 HTTP/1.1\r\nHost: blog.test\r\n\r\n",
    )
    .await;
    assert_eq!(wire.answer().await.text(), "GET /1 HTTP/1.1hi");
    assert_eq!(wire.answer().await.text(), "GET /2 HTTP/1.1");
    assert!(heads.lock().unwrap()[0].get("upgrade").is_none());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (backend, _) = noting().await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    let requests: String =
        (0..20).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: blog.test\r\n\r\n")).collect();
    wire.send(requests).await;
    for number in 0..20 {
        assert_eq!(wire.answer().await.text(), format!("GET /{number} HTTP/1.1"));
    }
}

#[tokio::test]
async fn connections_end_when_the_client_wants_it() {
    let (backend, _) = noting().await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET /1 HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.status(), 200);
    wire.send("GET /2 HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!(answer.head.get("connection"), Some("close"));
    wire.ended().await;
    // HTTP/1.0 closes unless asked not to.
    let mut wire = site.connect().await;
    wire.send("GET /1 HTTP/1.0\r\nHost: blog.test\r\nConnection: keep-alive\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!(
        (answer.head.line.as_str(), answer.head.get("connection")),
        ("HTTP/1.0 200 OK", Some("keep-alive"))
    );
    wire.send("GET /2 HTTP/1.0\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "GET /2 HTTP/1.1");
    wire.ended().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let (backend, heads) = noting().await;
    let site = Site::with(&[&backend]);
    let value = "x".repeat(70 << 10);
    let mut wire = site.connect().await;
    wire.send(format!("GET / HTTP/1.1\r\nHost: blog.test\r\nX: {value}\r\n\r\n")).await;
    assert_eq!(wire.answer().await.status(), 431);
    let lines: String = (0..120).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_eq!(site.ask(&format!("GET / HTTP/1.1\r\nHost: blog.test\r\n{lines}\r\n")).await.status(), 431);
    assert!(heads.lock().unwrap().is_empty());
    let value = "x".repeat(30 << 10);
    assert_eq!(
        site.ask(&format!("GET / HTTP/1.1\r\nHost: blog.test\r\nX: {value}\r\n\r\n")).await.status(),
        200
    );
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up_and_a_resting_connection_is_not() {
    let (backend, _) = noting().await;
    let site = Site::start_with(|settings| settings.timeouts.head = Duration::from_millis(100));
    site.publish(vec![app("blog", &[&backend])]);
    let mut resting = site.connect().await;
    resting.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(resting.answer().await.status(), 200);
    let mut slow = site.connect().await;
    slow.send("GET / HTTP/1.1\r\nHost: blog.test\r\nX: ").await;
    slow.ended().await;
    resting.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(resting.answer().await.status(), 200);
}

#[tokio::test]
async fn a_resting_connection_is_closed_after_its_time() {
    let site = Site::start_with(|settings| settings.timeouts.keep_alive = Duration::from_millis(100));
    site.publish(vec![app("blog", &[])]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.status(), 503);
    wire.ended().await;
}

/// What hyper keeps of a connection is given up while it rests; nothing of what was learnt of it may be.
#[tokio::test]
async fn a_connection_that_has_rested_goes_on_where_it_was() {
    let backend = Backend::echo("blog").await;
    let site = Site::start_with(|settings| settings.timeouts.keep_alive = Duration::from_millis(800));
    site.publish(vec![app("blog", &[&backend])]);
    let mut wire = site.connect().await;
    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.text(), "blog");
        // The rest itself is what is tried: it begins after a quarter of the time that it may last, or at most half.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 2\r\n\r\nh").await;
    wire.send("i").await;
    assert_eq!(wire.answer().await.text(), "bloghi");
    // Requests are counted on, so that an offence is found on the right one.
    wire.send("GET / HTTP/1.1\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.status(), 400);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "blog");
    wire.ended().await;
}
