//! Answers that are compressed on their way.

use std::io::Read;

use slipway_router::policy::Policy;
use tokio::sync::mpsc;

use super::support::{Answer, Backend, Site, app_with};

const TEXT: &str = "The quick brown fox jumps over the lazy dog. ";

/// Answers `/N` with so many bytes and the header lines that the request names in `X-Say`.
async fn site(change: impl FnOnce(&mut Policy)) -> (Site, Backend) {
    let backend = Backend::start("blog", |mut wire| async move {
        while let Some(head) = wire.try_head().await {
            let size: usize = head.line.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
            let say = head.get("x-say").unwrap_or_default().replace('|', "\r\n");
            let body = TEXT.repeat(size / TEXT.len() + 1);
            let body = if head.line.starts_with("HEAD") { "" } else { &body[..size] };
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{say}\r\n\r\n{body}")).await;
        }
    })
    .await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], |policy| {
        policy.bodies.compression = true;
        change(policy);
    })]);
    (site, backend)
}

async fn ask(site: &Site, line: &str, say: &str, accept: &str) -> Answer {
    site.ask(&format!(
        "{line} HTTP/1.1\r\nHost: blog.test\r\nX-Say: {say}\r\nAccept-Encoding: {accept}\r\n\r\n"
    ))
    .await
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    let bytes = &answer.body[..];
    let mut decoder: Box<dyn Read + '_> = match answer.head.get("content-encoding") {
        None => Box::new(bytes),
        Some("gzip") => Box::new(flate2::read::GzDecoder::new(bytes)),
        Some("br") => Box::new(brotli::Decompressor::new(bytes, 4096)),
        Some("zstd") => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        Some(other) => panic!("{other}"),
    };
    decoder.read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn each_coding_carries_the_same_text() {
    for keep in [false, true] {
        let (mut site, _backend) = site(|policy| policy.bodies.buffer_responses = keep).await;
        let html = "Content-Type: text/html|ETag: \"x\"|Accept-Ranges: bytes";
        for coding in ["gzip", "br", "zstd"] {
            let answer = ask(&site, "GET /500000", html, coding).await;
            assert_eq!(answer.head.get("content-encoding"), Some(coding));
            assert_eq!(answer.head.get("vary"), Some("accept-encoding"));
            assert_eq!(answer.head.get("etag"), Some("W/\"x\""));
            assert_eq!((answer.head.get("content-length"), answer.head.get("accept-ranges")), (None, None));
            assert!(answer.body.len() < 50_000, "{} bytes", answer.body.len());
            assert!(decoded(&answer) == TEXT.repeat(500_000 / TEXT.len() + 1).as_bytes()[..500_000]);
            let record = site.record().await;
            assert_eq!(
                (record.bytes, record.code),
                (answer.body.len() as u64, None),
                "what was sent is logged"
            );
        }
    }
}

#[tokio::test]
async fn what_gains_nothing_or_may_not_be_changed_is_left_alone() {
    let (site, _backend) = site(|_| {}).await;
    for (line, say, accept) in [
        ("GET /5000", "Content-Type: text/html", "identity"),
        ("GET /5000", "Content-Type: text/html", "gzip;q=0"),
        ("GET /1000", "Content-Type: text/html", "gzip"),
        ("GET /5000", "Content-Type: image/png", "gzip"),
        ("GET /5000", "Content-Type: text/html|Content-Encoding: x", "gzip"),
        ("GET /5000", "Content-Type: text/html|Cache-Control: no-transform", "gzip"),
        ("GET /5000", "Content-Type: text/event-stream", "gzip"),
    ] {
        let answer = ask(&site, line, say, accept).await;
        assert_eq!(answer.body.len().to_string(), line[5..], "{say} {accept}");
        assert_eq!(answer.head.get("content-length"), Some(&line[5..]), "{say} {accept}");
    }
    let old = site.ask("GET /5000 HTTP/1.0\r\nHost: blog.test\r\nX-Say: Content-Type: text/html\r\nAccept-Encoding: gzip\r\n\r\n").await;
    assert_eq!((old.head.get("content-encoding"), old.body.len()), (None, 5000));
}

#[tokio::test]
async fn the_head_of_an_answer_to_head_is_that_of_one_to_get() {
    let (site, backend) = site(|_| {}).await;
    let mut wire = site.connect().await;
    for _ in 0..2 {
        wire.send("HEAD /5000 HTTP/1.1\r\nHost: blog.test\r\nX-Say: Content-Type: text/html\r\nAccept-Encoding: br\r\n\r\n").await;
        let head = wire.head().await;
        assert_eq!((head.get("content-encoding"), head.get("vary")), (Some("br"), Some("accept-encoding")));
        assert_eq!(head.get("content-length"), None);
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn nothing_is_compressed_unless_the_app_wants_it() {
    let (site, _backend) = site(|policy| policy.bodies.compression = false).await;
    let answer = ask(&site, "GET /5000", "Content-Type: text/html", "gzip").await;
    assert_eq!((answer.head.get("content-encoding"), answer.head.get("vary")), (None, None));
    assert_eq!(answer.body.len(), 5000);
}

/// A page that an app sends bit by bit can be read bit by bit.
#[tokio::test]
async fn each_part_can_be_decoded_when_it_is_sent() {
    let (go, wait) = mpsc::unbounded_channel::<()>();
    let wait = std::sync::Arc::new(tokio::sync::Mutex::new(wait));
    let backend = Backend::start("blog", move |mut wire| {
        let wait = std::sync::Arc::clone(&wait);
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await;
            while wait.lock().await.recv().await.is_some() {
                wire.send("5\r\npart \r\n").await;
            }
            wire.send("0\r\n\r\n").await;
        }
    })
    .await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], |policy| policy.bodies.compression = true)]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\nAccept-Encoding: gzip\r\n\r\n").await;
    assert_eq!(wire.head().await.get("content-encoding"), Some("gzip"));
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    for number in 1..=3 {
        go.send(()).unwrap();
        while decoder.get_ref().len() < 5 * number {
            std::io::Write::write_all(&mut decoder, &wire.chunk().await.unwrap()).unwrap();
            std::io::Write::flush(&mut decoder).unwrap();
        }
        assert_eq!(decoder.get_ref(), "part ".repeat(number).as_bytes());
    }
    drop(go);
    loop {
        let chunk = wire.chunk().await.unwrap();
        if chunk.is_empty() {
            break;
        }
        std::io::Write::write_all(&mut decoder, &chunk).unwrap();
    }
    assert_eq!(decoder.finish().unwrap(), b"part part part ");
}

#[tokio::test]
async fn a_compressed_answer_that_is_cut_does_not_look_whole() {
    let backend = Backend::start("blog", |mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\nhello").await;
    })
    .await;
    let mut site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], |policy| policy.bodies.compression = true)]);
    for coding in ["gzip", "br", "zstd"] {
        let mut wire = site.connect().await;
        wire.send(format!("GET / HTTP/1.1\r\nHost: blog.test\r\nAccept-Encoding: {coding}\r\n\r\n")).await;
        let (rest, _) = wire.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{coding}");
        assert_eq!(site.record().await.code, Some("H18"), "{coding}");
    }
}
