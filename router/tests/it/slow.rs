//! Clients that take their time over HTTP/1.1; those of HTTP/2 are in `http2`.

use std::time::Duration;

use slipway_router::settings::RouterSettings;
use tokio::io::AsyncWriteExt;

use super::support::{Backend, PATIENCE, Site, Wire, app, until, within};

fn hasty(settings: &mut RouterSettings) {
    settings.timeouts.head = Duration::from_millis(300);
    settings.timeouts.write = Duration::from_millis(100);
}

/// Each byte comes in time, and the head as a whole does not.
#[tokio::test]
async fn a_head_that_dribbles_is_given_up() {
    let backend = Backend::echo("blog").await;
    let site = Site::start_with(hasty);
    site.publish(vec![app("blog", &[&backend])]);
    for begun in ["", "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n"] {
        let mut wire = site.connect().await;
        wire.send(begun).await;
        if !begun.is_empty() {
            assert_eq!(wire.answer().await.text(), "blog");
        }
        let dribble = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while wire.stream.write_all(b"X").await.is_ok() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, dribble).await.expect("the connection goes on");
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn an_answer_that_its_client_does_not_take_is_given_up() {
    let (cut, mut cuts) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire: Wire| {
        let cut = cut.clone();
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n").await;
            cut.send(wire.stream.write_all(&vec![0; 50_000_000]).await.is_err()).unwrap();
        }
    })
    .await;
    let mut site = Site::start_with(hasty);
    site.publish(vec![app("blog", &[&backend])]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(within(cuts.recv()).await, Some(true));
    assert_eq!(site.record().await.code, Some("H27"));
    until(|| site.handle.in_flight() == [(backend.id(), 0)]).await;
}
