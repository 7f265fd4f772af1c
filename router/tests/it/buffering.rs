//! Bodies that are taken whole for the sake of instances.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use slipway_router::policy::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::support::{Backend, Head, Site, Wire, app_with, until, within};

const MEBIBYTE: usize = 1 << 20;

fn requests(policy: &mut Policy) {
    policy.bodies.buffer_requests = true;
}

fn responses(policy: &mut Policy) {
    policy.bodies.buffer_responses = true;
}

/// Answers each request with its length, and tells of its head.
async fn counting() -> (Backend, mpsc::UnboundedReceiver<Head>) {
    let (tell, told) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let tell = tell.clone();
        async move {
            while let Some(head) = wire.try_head().await {
                tell.send(head.clone()).unwrap();
                let length = wire.body(&head).await.len().to_string();
                wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{length}", length.len()))
                    .await;
            }
        }
    })
    .await;
    (backend, told)
}

async fn site(backend: &Backend, change: impl FnOnce(&mut Policy)) -> Site {
    let site = Site::start();
    site.publish(vec![app_with("blog", &[backend], change)]);
    site
}

#[tokio::test]
async fn an_instance_sees_a_request_only_when_it_is_whole() {
    let (backend, mut heads) = counting().await;
    let site = site(&backend, requests).await;
    for (framing, parts) in [
        ("Content-Length: 300000", vec![vec![b'x'; 100_000]; 3]),
        (
            "Transfer-Encoding: chunked",
            vec![b"5\r\nhello\r\n".to_vec(), b"1\r\n!\r\n".to_vec(), b"0\r\n\r\n".to_vec()],
        ),
        ("Expect: 100-continue\r\nContent-Length: 4", vec![b"ab".to_vec(), b"cd".to_vec()]),
    ] {
        let before = backend.accepted();
        let mut wire = site.connect().await;
        wire.send(format!("POST / HTTP/1.1\r\nHost: blog.test\r\n{framing}\r\n\r\n")).await;
        if framing.starts_with("Expect") {
            assert_eq!(wire.head().await.status(), 100);
        }
        let (last, first) = parts.split_last().unwrap();
        for part in first {
            wire.send(part).await;
        }
        // Another request is answered meanwhile, so that the first would have been seen as well.
        assert_eq!(site.get("blog.test").await.text(), "0");
        assert_eq!(within(heads.recv()).await.unwrap().line, "GET / HTTP/1.1");
        assert!(heads.try_recv().is_err() && backend.accepted() <= before + 1);
        wire.send(last).await;
        let answer = wire.answer().await;
        let head = within(heads.recv()).await.unwrap();
        assert_eq!(
            head.get("content-length"),
            Some(match answer.text() {
                "300000" => "300000",
                "6" => "6",
                _ => "4",
            })
        );
        assert_eq!((head.get("transfer-encoding"), head.get("expect")), (None, None));
    }
}

#[tokio::test]
async fn trailers_and_what_is_too_large_to_be_kept_pass() {
    let (backend, mut heads) = counting().await;
    let site = site(&backend, |policy| {
        requests(policy);
        policy.bodies.buffer_memory_bytes = 1000;
        policy.bodies.buffer_bytes = 300_000;
    })
    .await;
    let mut wire = site.connect().await;
    wire.send(format!("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: {}\r\n\r\n", 4 * MEBIBYTE))
        .await;
    wire.send(vec![0; 2 * MEBIBYTE]).await;
    assert_eq!(within(heads.recv()).await.unwrap().get("content-length"), Some("4194304"));
    wire.send(vec![0; 2 * MEBIBYTE]).await;
    assert_eq!(wire.answer().await.text(), "4194304");
}

#[tokio::test]
async fn a_request_that_is_cut_or_too_large_never_reaches_an_instance() {
    let (backend, _heads) = counting().await;
    let mut site = site(&backend, |policy| {
        requests(policy);
        policy.bodies.max_request_bytes = Some(10);
    })
    .await;
    let chunked = "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut wire = site.connect().await;
    wire.send(format!("{chunked}b\r\nhello world\r\n")).await;
    let answer = wire.answer().await;
    assert_eq!((answer.status(), answer.code()), (413, Some("body-too-large")));
    assert_eq!(site.record().await.status, 413);
    let mut wire = site.connect().await;
    wire.send(format!("{chunked}5\r\nhello\r\n")).await;
    wire.stream.set_zero_linger().unwrap();
    drop(wire);
    assert_eq!(site.record().await.code, Some("H27"));
    assert_eq!(backend.accepted(), 0);
}

/// The bytes of memory that this process has in use now, with those of files that have no name.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// A large body for a client that reads nothing at first: the instance is done long before it, and nobody holds it in
/// memory.
#[tokio::test]
async fn a_large_answer_leaves_its_instance_before_a_slow_client_has_it() {
    const SIZE: usize = 128 << 20;
    let given = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&given);
    let backend = Backend::start("blog", move |mut wire| {
        let given = Arc::clone(&counter);
        async move {
            wire.head().await;
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")).await;
            let mut part = vec![0; MEBIBYTE];
            for number in 0..SIZE / MEBIBYTE {
                part.fill(number.to_le_bytes()[0]);
                wire.send(&part).await;
            }
            given.fetch_add(1, Ordering::SeqCst);
            wire.rest().await;
        }
    })
    .await;
    let mut site = site(&backend, responses).await;
    let mut wire = site.connect().await;
    let before = memory();
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 200);
    until(|| given.load(Ordering::SeqCst) == 1).await;
    until(|| site.handle.in_flight().iter().all(|(_, count)| *count == 0)).await;
    let used = memory().saturating_sub(before);
    assert!(used < 16 * MEBIBYTE, "{used} bytes of memory");
    assert!(site.records.next_batch().now_or_never().is_none(), "the client has not got its answer yet");
    for number in 0..SIZE / MEBIBYTE {
        let part = wire.exactly(MEBIBYTE).await;
        assert!(part.iter().all(|byte| *byte == number.to_le_bytes()[0]), "part {number}");
    }
    let record = site.record().await;
    assert_eq!((record.bytes, record.code), (SIZE as u64, None));
}

#[tokio::test]
async fn each_event_of_a_stream_arrives_although_answers_are_kept() {
    for kind in ["text/event-stream; charset=utf-8", "text/plain\r\nX-Accel-Buffering: no", "text/plain"] {
        let (go, wait) = mpsc::unbounded_channel::<()>();
        let wait = Arc::new(tokio::sync::Mutex::new(wait));
        let backend = Backend::start("blog", move |mut wire| {
            let wait = Arc::clone(&wait);
            async move {
                wire.head().await;
                wire.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
                ))
                .await;
                while wait.lock().await.recv().await.is_some() {
                    wire.send("5\r\nevent\r\n").await;
                }
            }
        })
        .await;
        let site = site(&backend, responses).await;
        let mut wire = site.connect().await;
        wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        assert_eq!(wire.head().await.status(), 200);
        for _ in 0..3 {
            go.send(()).unwrap();
            assert_eq!(wire.chunk().await.unwrap(), b"event");
        }
    }
}

#[tokio::test]
async fn a_kept_answer_that_is_cut_does_not_look_whole() {
    let backend = Backend::start("blog", |mut wire| async move {
        let head = wire.head().await;
        if head.line.contains("/chunked") {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        } else {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        }
    })
    .await;
    let mut site = site(&backend, |policy| {
        responses(policy);
        policy.bodies.buffer_memory_bytes = 2;
    })
    .await;
    for (target, version) in [("/chunked", "1.1"), ("/length", "1.1"), ("/chunked", "1.0")] {
        let mut wire = site.connect().await;
        wire.send(format!("GET {target} HTTP/{version}\r\nHost: blog.test\r\n\r\n")).await;
        let (rest, orderly) = wire.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n") && (version == "1.1" || !orderly), "{target} {version}");
        assert_eq!(site.record().await.code, Some("H18"), "{target} {version}");
    }
}

#[tokio::test]
async fn a_kept_answer_is_whole_and_its_connection_goes_on() {
    let backend = Backend::start("blog", |mut wire| async move {
        while let Some(head) = wire.try_head().await {
            if head.line.starts_with("HEAD") {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
            } else {
                wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let mut site = site(&backend, responses).await;
    let mut wire: Wire = site.connect().await;
    for _ in 0..3 {
        wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.text(), "hello");
        let record = site.record().await;
        assert_eq!((record.bytes, record.code), (5, None));
        wire.send("HEAD / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        assert_eq!(wire.head().await.get("content-length"), Some("5"));
        assert_eq!(site.record().await.code, None);
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn whoever_leaves_ends_the_taking_and_no_file_stays() {
    let (ended, mut saw_end) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let ended = ended.clone();
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            while wire
                .stream
                .write_all(format!("{:x}\r\n{}\r\n", 1000, "x".repeat(1000)).as_bytes())
                .await
                .is_ok()
            {}
            ended.send(()).unwrap();
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_owned();
    let mut site = Site::start_with(|settings| settings.buffer_directory = place);
    site.publish(vec![app_with("blog", &[&backend], |policy| {
        responses(policy);
        policy.bodies.buffer_bytes = 10 << 20;
    })]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    let mut some = vec![0; MEBIBYTE];
    within(wire.stream.read_exact(&mut some)).await.unwrap();
    drop(wire);
    within(saw_end.recv()).await.unwrap();
    assert_eq!(site.record().await.code, Some("H27"));
    assert!(is_empty(directory.path()));
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}
