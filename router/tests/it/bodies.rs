//! Bodies on their way through, and what happens where they stop.

use std::time::Duration;

use slipway_router::policy::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::support::{Backend, Site, Wire, app, app_with, within};

const LARGE: usize = 50 << 20;

/// Bytes that are wrong as soon as one is lost, doubled or moved.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

#[tokio::test]
async fn a_large_upload_and_a_large_download_arrive_whole() {
    let backend = Backend::echo("").await;
    let site = Site::with(&[&backend]);
    let sent = pattern(LARGE);
    let wire = site.connect().await;
    let (mut reading, mut writing) = wire.stream.into_split();
    let body = sent.clone();
    let sender = tokio::spawn(async move {
        let head = format!(
            "PUT / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: {LARGE}\r\nConnection: close\r\n\r\n"
        );
        writing.write_all(head.as_bytes()).await.unwrap();
        writing.write_all(&body).await.unwrap();
        writing
    });
    let mut answer = Vec::new();
    within(reading.read_to_end(&mut answer)).await.unwrap();
    let start = answer.len() - LARGE;
    assert!(answer[start..] == sent[..], "the bodies differ");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    sender.await.unwrap();
}

#[tokio::test]
async fn each_event_of_a_stream_arrives_when_it_is_sent() {
    let (go, wait) = mpsc::unbounded_channel::<()>();
    let wait = std::sync::Arc::new(tokio::sync::Mutex::new(wait));
    let backend = Backend::start("blog", move |mut wire| {
        let wait = std::sync::Arc::clone(&wait);
        async move {
            wire.head().await;
            wire.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .await;
            for _ in 0..3 {
                // The next one is only sent when the client has got the one before.
                wait.lock().await.recv().await.unwrap();
                wire.send("9\r\ndata: 1\n\n\r\n").await;
            }
            wire.send("0\r\n\r\n").await;
        }
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    for _ in 0..3 {
        go.send(()).unwrap();
        assert_eq!(wire.chunk().await.unwrap(), b"data: 1\n\n");
    }
    assert_eq!(wire.chunk().await.unwrap(), b"");
}

#[tokio::test]
async fn each_part_of_an_upload_arrives_when_it_is_sent() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        // The answer begins before the request ends, and each part is answered.
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        loop {
            let chunk = wire.chunk().await.unwrap();
            wire.send(format!("{:x}\r\n", chunk.len())).await;
            wire.send(&chunk).await;
            wire.send("\r\n").await;
            if chunk.is_empty() {
                break;
            }
        }
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    for part in ["one", "three", "five5"] {
        wire.send(format!("{:x}\r\n{part}\r\n", part.len())).await;
        assert_eq!(wire.chunk().await.unwrap(), part.as_bytes());
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.chunk().await.unwrap(), b"");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_request_at_the_app() {
    let (ended, mut saw_end) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let ended = ended.clone();
        async move {
            let head = wire.head().await;
            if head.line.contains("/stream") {
                wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
            }
            ended.send("begun").unwrap();
            wire.ended().await;
            ended.send("ended").unwrap();
        }
    })
    .await;
    let mut site = Site::with(&[&backend]);
    for (path, status) in [("/wait", 499), ("/stream", 200)] {
        let mut wire = site.connect().await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: blog.test\r\n\r\n")).await;
        assert_eq!(within(saw_end.recv()).await, Some("begun"));
        if path == "/stream" {
            assert_eq!(wire.head().await.status(), 200);
        }
        drop(wire);
        assert_eq!(within(saw_end.recv()).await, Some("ended"));
        let record = site.record().await;
        assert_eq!((record.status, record.code), (status, Some("H27")), "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_does_not_look_whole() {
    let backend = Backend::start("blog", |mut wire| async move {
        let head = wire.head().await;
        if head.line.contains("/chunked") {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        } else {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        }
        // The rest comes never: the connection ends when the client has seen this much.
        wire.exactly(1).await;
    })
    .await;
    let mut site = Site::with(&[&backend]);
    for path in ["/chunked", "/length"] {
        let mut wire = site.connect().await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 1\r\n\r\n")).await;
        assert_eq!(wire.head().await.status(), 200);
        wire.send("x").await;
        let (rest, _) = wire.rest().await;
        let rest = String::from_utf8(rest).unwrap();
        assert!(rest.contains("hello") && !rest.contains("0\r\n\r\n"), "{rest:?}");
        let record = site.record().await;
        assert_eq!((record.status, record.code), (200, Some("H18")), "{path}");
    }
    // Without length and chunks only a reset tells a cut answer from a whole one.
    let mut wire = site.connect().await;
    wire.send("GET /chunked HTTP/1.0\r\nHost: blog.test\r\nContent-Length: 1\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    wire.send("x").await;
    assert!(!wire.rest().await.1, "the cut answer ended in order");
}

#[tokio::test]
async fn of_an_answer_that_is_cut_at_once_the_client_gets_what_there_is() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n").await;
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    wire.ended().await;
}

#[tokio::test]
async fn an_answer_to_http_1_0_ends_in_order_if_it_is_whole() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    })
    .await;
    let site = Site::with(&[&backend]);
    // Only its end says where the answer ends, whatever the client would rather have.
    for wish in ["", "Connection: keep-alive\r\n"] {
        let mut wire = site.connect().await;
        wire.send(format!("GET / HTTP/1.0\r\nHost: blog.test\r\n{wish}\r\n")).await;
        let head = wire.head().await;
        assert!(head.get("transfer-encoding").is_none());
        assert_ne!(head.get("connection"), Some("keep-alive"));
        assert_eq!(wire.rest().await, (b"hello".to_vec(), true));
    }
}

#[tokio::test]
async fn an_app_that_fails_is_told_apart_by_code() {
    for (answer, status, code) in [
        ("", 502, "H13"),
        ("HTTP/1.1 20", 502, "H13"),
        ("not http at all\r\n\r\n", 502, "H17"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 502, "H17"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 502, "H17"),
    ] {
        let backend = Backend::start("blog", move |mut wire| async move {
            wire.head().await;
            wire.send(answer).await;
        })
        .await;
        let got = Site::with(&[&backend]).get("blog.test").await;
        assert_eq!((got.status(), got.code()), (status, Some(code)), "{answer:?}");
    }
}

#[tokio::test]
async fn an_app_that_is_silent_is_given_up() {
    let backend = Backend::start("blog", |mut wire| async move {
        let head = wire.head().await;
        if head.line.contains("/half") {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh").await;
        }
        wire.ended().await;
    })
    .await;
    let mut site = Site::start();
    let hasty = |policy: &mut Policy| {
        policy.timeouts.first_byte = Duration::from_millis(100);
        policy.timeouts.idle = Duration::from_millis(100);
    };
    site.publish(vec![app_with("blog", &[&backend], hasty)]);
    let answer = site.get("blog.test").await;
    assert_eq!((answer.status(), answer.code()), (504, Some("H12")));
    assert_eq!(site.record().await.code, Some("H12"));
    let mut wire = site.connect().await;
    wire.send("GET /half HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.rest().await.0, b"h");
    assert_eq!(site.record().await.code, Some("H15"));
}

#[tokio::test]
async fn an_answer_may_rest_while_its_request_still_moves() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
        wire.exactly(60).await;
        wire.send("hi").await;
        wire.ended().await;
    })
    .await;
    let site = Site::start();
    let hasty = |policy: &mut Policy| policy.timeouts.idle = Duration::from_secs(1);
    site.publish(vec![app_with("blog", &[&backend], hasty)]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 60\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..60 {
        // Three times the deadline in all, and never a pause of a whole one.
        ticks.tick().await;
        wire.send("x").await;
    }
    assert_eq!(wire.exactly(2).await, b"hi");
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_its_request_is_given_up() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.rest().await;
    })
    .await;
    let site = Site::start();
    // The wait for the app is shorter, and does not count: it is not the app's turn.
    let hasty = |policy: &mut Policy| {
        policy.timeouts.first_byte = Duration::from_millis(20);
        policy.timeouts.body = Duration::from_millis(200);
    };
    site.publish(vec![app_with("blog", &[&backend], hasty)]);
    let mut wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 5\r\n\r\nh").await;
    let answer = wire.answer().await;
    assert_eq!((answer.status(), answer.code()), (408, Some("H28")));
}

/// Serves one request on each connection, then closes it when told to.
async fn closing(told: mpsc::UnboundedReceiver<()>) -> Backend {
    let told = std::sync::Arc::new(tokio::sync::Mutex::new(told));
    Backend::start("blog", move |mut wire| {
        let told = std::sync::Arc::clone(&told);
        async move {
            let head = wire.head().await;
            wire.body(&head).await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            // The next request is read and never answered, as by a server that was just about to close.
            if wire.try_head().await.is_some() {
                told.lock().await.recv().await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_request_that_meets_a_closing_connection_is_sent_again_if_it_may() {
    let (tell, told) = mpsc::unbounded_channel();
    let backend = closing(told).await;
    let site = Site::start_with(|settings| settings.workers = std::num::NonZeroUsize::new(1));
    site.publish(vec![app("blog", &[&backend])]);
    tell.send(()).unwrap();
    assert_eq!(site.get("blog.test").await.text(), "hi");
    assert_eq!(site.get("blog.test").await.text(), "hi");
    assert_eq!(backend.accepted(), 2, "the second request went out twice");
    // The connection of the second answer rests now; a POST on it must not be repeated.
    tell.send(()).unwrap();
    let post = site.ask("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 1\r\n\r\nx").await;
    assert_eq!((post.status(), post.code()), (502, Some("H13")));
    assert_eq!(backend.accepted(), 2);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_by_the_app() {
    let (seen, mut heads) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let seen = seen.clone();
        async move {
            let head = wire.head().await;
            seen.send(head.clone()).unwrap();
            if head.line.contains("/refused") {
                wire.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await;
                wire.ended().await;
            } else {
                wire.send("HTTP/1.1 100 Continue\r\n\r\n").await;
                assert_eq!(wire.body(&head).await, b"hello");
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            }
        }
    })
    .await;
    let site = Site::with(&[&backend]);
    let request = |path| {
        format!("PUT {path} HTTP/1.1\r\nHost: blog.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    };
    let mut wire = site.connect().await;
    wire.send(request("/")).await;
    assert_eq!(within(heads.recv()).await.unwrap().get("expect"), Some("100-continue"));
    assert_eq!(wire.head().await.line, "HTTP/1.1 100 Continue");
    wire.send("hello").await;
    assert_eq!(wire.answer().await.text(), "hi");
    // A refusal comes instead of the 100, and the body is never asked for.
    let mut wire = site.connect().await;
    wire.send(request("/refused")).await;
    let answer = wire.answer().await;
    assert_eq!((answer.status(), answer.text()), (401, "no"));
    wire.ended().await;
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
            .await;
        wire.stream.shutdown().await.unwrap();
        // Node reads on for a while; what matters is that it does not have to.
        wire.rest().await;
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire: Wire = site.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 100000000\r\n\r\n").await;
    wire.send(vec![0; 100_000]).await;
    let answer = wire.answer().await;
    assert_eq!((answer.status(), answer.text()), (413, "big"));
}

#[tokio::test]
async fn a_broken_request_body_is_the_clients_fault() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.rest().await;
    })
    .await;
    let site = Site::with(&[&backend]);
    let answer =
        site.ask("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n").await;
    assert_eq!((answer.status(), answer.code()), (400, Some("H26")));
}

#[tokio::test]
async fn trailers_reach_a_client_that_wants_them() {
    let backend = Backend::start("blog", |mut wire| async move {
        let head = wire.head().await;
        assert_eq!(head.get("te"), Some("trailers"));
        wire.send(
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .await;
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: te, close\r\nTE: trailers\r\n\r\n").await;
    let (rest, _) = wire.rest().await;
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.to_ascii_lowercase().ends_with("2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"), "{rest}");
}

/// RFC 9110, section 6.2: the version is that of the one who sends, not of whom it got the answer from.
#[tokio::test]
async fn an_app_that_speaks_http_1_0_is_answered_for_in_http_1_1() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.0 200 OK\r\n\r\nhello").await;
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        let answer = wire.answer().await;
        assert_eq!((answer.head.line.as_str(), answer.text()), ("HTTP/1.1 200 OK", "hello"));
    }
}
