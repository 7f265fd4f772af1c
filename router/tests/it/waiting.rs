//! Requests that wait while their app has no instance.

use std::time::Duration;

use slipway_router::table::{AppRoutes, AppState};

use super::support::{Backend, PATIENCE, Site, Wire, app, until, within};
use super::upgrade;

const GET: &str = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";

fn starting(like: &Backend) -> AppRoutes {
    AppRoutes { instances: Vec::new(), state: AppState::Starting, ..app("blog", &[like]) }
}

/// How many requests wait for the app.
fn waiting(site: &Site) -> usize {
    site.handle.waiting("blog")
}

async fn ask(site: &Site, request: &str) -> Wire {
    let mut wire = site.connect().await;
    wire.send(request).await;
    wire
}

#[tokio::test]
async fn requests_wait_for_the_table_with_an_instance() {
    let backend = Backend::echo("new").await;
    let site = Site::start();
    site.publish(vec![starting(&backend)]);
    let mut wires = Vec::new();
    // More than there are workers, so that each of them has some.
    for _ in 0..8 {
        wires.push(ask(&site, GET).await);
    }
    let mut posting = site.connect().await;
    posting.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 4\r\n\r\nbo").await;
    until(|| waiting(&site) == 9).await;
    // A table that changes nothing for them leaves them where they are.
    site.publish(vec![starting(&backend), app("other", &[&backend])]);
    assert_eq!(site.get("other.test").await.text(), "new");
    assert_eq!(waiting(&site), 9);
    site.publish(vec![app("blog", &[&backend])]);
    for wire in &mut wires {
        assert_eq!(wire.answer().await.text(), "new");
    }
    posting.send("dy").await;
    assert_eq!(posting.answer().await.text(), "newbody");
    assert_eq!(waiting(&site), 0);
}

#[tokio::test]
async fn a_websocket_waits_too() {
    let backend = upgrade::websocket("blog").await;
    let site = Site::start();
    site.publish(vec![starting(&backend)]);
    let mut wire = ask(&site, upgrade::HANDSHAKE).await;
    until(|| waiting(&site) == 1).await;
    site.publish(vec![app("blog", &[&backend])]);
    assert_eq!(wire.head().await.status(), 101);
    assert_eq!(wire.exactly(5).await, b"hello");
}

#[tokio::test]
async fn a_long_body_is_not_read_while_its_request_waits() {
    let backend = Backend::echo("new").await;
    let site = Site::start();
    site.publish(vec![starting(&backend)]);
    let mut body =
        ask(&site, "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 100000000\r\n\r\n").await;
    until(|| waiting(&site) == 1).await;
    // What the kernel and one buffer hold is taken, and then nothing more.
    let mut sent = 0_usize;
    let chunk = vec![b'x'; 64 << 10];
    loop {
        use tokio::io::AsyncWriteExt as _;
        let taken = tokio::time::timeout(Duration::from_millis(300), body.stream.write(&chunk)).await;
        match taken {
            Ok(count) => sent += count.unwrap(),
            Err(_) => break,
        }
        assert!(sent < 50_000_000, "the router reads a body that it cannot pass on");
    }
}

#[tokio::test]
async fn a_full_room_and_time_that_is_over_are_503_and_a_client_that_leaves_makes_room() {
    let backend = Backend::echo("new").await;
    let site = Site::start_with(|settings| settings.waiting.requests = 2);
    site.publish(vec![starting(&backend)]);
    let mut first = ask(&site, GET).await;
    let second = ask(&site, GET).await;
    until(|| waiting(&site) == 2).await;
    let full = site.get("blog.test").await;
    assert_eq!((full.status(), full.code()), (503, Some("H11")));
    assert!(full.head.get("retry-after").is_some());
    drop(second);
    until(|| waiting(&site) == 1).await;
    let mut third = ask(&site, GET).await;
    until(|| waiting(&site) == 2).await;
    site.publish(vec![app("blog", &[&backend])]);
    assert_eq!((first.answer().await.text(), third.answer().await.text()), ("new", "new"));

    let hasty = Site::start_with(|settings| settings.waiting.time = Duration::from_millis(50));
    hasty.publish(vec![starting(&backend)]);
    let late = hasty.get("blog.test").await;
    assert_eq!((late.status(), late.code()), (503, Some("H20")));
    assert!(late.head.get("retry-after").is_some());
}

#[tokio::test]
async fn who_waits_learns_at_once_that_nothing_is_coming() {
    let backend = Backend::echo("new").await;
    let site = Site::start();
    for (state, code) in [(AppState::Stopped, "H14"), (AppState::Crashed, "H10")] {
        site.publish(vec![starting(&backend)]);
        let mut wire = ask(&site, GET).await;
        until(|| waiting(&site) == 1).await;
        site.publish(vec![AppRoutes { state, ..starting(&backend) }]);
        assert_eq!(wire.answer().await.code(), Some(code));
    }
    site.publish(vec![starting(&backend)]);
    let mut wire = ask(&site, GET).await;
    until(|| waiting(&site) == 1).await;
    site.publish(Vec::new());
    assert_eq!(wire.answer().await.status(), 404, "the app was destroyed");

    let mut early = Site::start();
    let mut wire = ask(&early, GET).await;
    until(|| waiting(&early) == 1).await;
    early.publish(vec![app("blog", &[&backend])]);
    assert_eq!(wire.answer().await.text(), "new", "it waited for the first table");
    assert_eq!(early.record().await.status, 200);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_those_who_wait() {
    let backend = Backend::echo("new").await;
    let site = Site::start();
    site.publish(vec![starting(&backend)]);
    let mut wire = ask(&site, GET).await;
    until(|| waiting(&site) == 1).await;
    assert_eq!(within(site.handle.shutdown(PATIENCE)).await, 0);
    assert_eq!(wire.answer().await.status(), 503);
}

#[tokio::test]
async fn an_instance_that_has_just_begun_to_refuse_is_waited_for() {
    let gone = Backend::refusing().await;
    let site = Site::with(&[&gone]);
    let mut wire = ask(&site, "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 2\r\n\r\nhi").await;
    until(|| waiting(&site) == 1).await;
    let back = Backend::echo_at(gone.address, "back").await;
    assert_eq!(wire.answer().await.text(), "backhi", "no table has said so");
    drop(back);
    // And a table that says more than the refusal ends the guessing.
    let gone = Backend::refusing().await;
    site.publish(vec![app("blog", &[&gone])]);
    let mut wire = ask(&site, GET).await;
    until(|| waiting(&site) == 1).await;
    let new = Backend::echo("new").await;
    site.publish(vec![starting(&new)]);
    site.publish(vec![app("blog", &[&new])]);
    assert_eq!(wire.answer().await.text(), "new");
}
