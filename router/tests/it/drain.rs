//! Deployments and shutdown: what is under way ends well.

use std::time::Duration;

use tokio::sync::mpsc;

use super::support::{Backend, PATIENCE, Site, app, until, within};
use super::upgrade;

/// Says when a request has come and answers it when told to.
pub async fn slow() -> (Backend, mpsc::UnboundedReceiver<()>, mpsc::UnboundedSender<()>) {
    let (come, has_come) = mpsc::unbounded_channel();
    let (tell, told) = mpsc::unbounded_channel();
    let told = std::sync::Arc::new(tokio::sync::Mutex::new(told));
    let backend = Backend::start("slow", move |mut wire| {
        let (come, told) = (come.clone(), std::sync::Arc::clone(&told));
        async move {
            while wire.try_head().await.is_some() {
                come.send(()).unwrap();
                told.lock().await.recv().await;
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").await;
            }
        }
    })
    .await;
    (backend, has_come, tell)
}

#[tokio::test]
async fn a_drain_waits_for_requests_under_way() {
    let (backend, mut has_come, tell) = slow().await;
    let next = Backend::echo("next").await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    within(has_come.recv()).await.unwrap();
    site.publish(vec![app("blog", &[&next])]);
    let handle = site.handle.clone();
    let ids = [backend.id()];
    let drain = tokio::spawn(async move { handle.drain(&ids, PATIENCE).await });
    assert_eq!(site.get("blog.test").await.text(), "next", "new requests go to the new instance");
    assert!(!drain.is_finished());
    tell.send(()).unwrap();
    assert_eq!(wire.answer().await.text(), "slow");
    let drained = within(drain).await.unwrap();
    assert!(drained.is_complete(), "{drained:?}");
    // The client's connection was not touched by any of it.
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "next");
}

#[tokio::test]
async fn a_drain_waits_for_websockets() {
    let backend = upgrade::websocket("blog").await;
    let site = Site::with(&[&backend]);
    let wire = upgrade::open(&site).await;
    site.publish(vec![app("blog", &[])]);
    let handle = site.handle.clone();
    let ids = [backend.id()];
    let drain = tokio::spawn(async move { handle.drain(&ids, PATIENCE).await });
    assert_eq!(site.get("blog.test").await.code(), Some("H14"));
    assert!(!drain.is_finished());
    drop(wire);
    assert!(within(drain).await.unwrap().is_complete());
}

#[tokio::test]
async fn a_drain_says_what_its_deadline_left_over() {
    let (backend, mut has_come, tell) = slow().await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    within(has_come.recv()).await.unwrap();
    site.publish(vec![app("blog", &[])]);
    let drained = site.handle.drain(&[backend.id()], Duration::from_millis(50)).await;
    assert_eq!(drained.busy, [(backend.id(), 1)]);
    // The request itself is not cut by that; it is the container's end that cuts it.
    tell.send(()).unwrap();
    assert_eq!(wire.answer().await.text(), "slow");
    let drained = site.handle.drain(&[backend.id(), "unknown".to_owned()], PATIENCE).await;
    assert!(drained.is_complete(), "{drained:?}");
}

#[tokio::test]
async fn a_publication_keeps_the_counts_of_instances_that_stay() {
    let (backend, mut has_come, tell) = slow().await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    within(has_come.recv()).await.unwrap();
    for _ in 0..3 {
        site.publish(vec![app("blog", &[&backend]), app("other", &[])]);
        assert_eq!(site.handle.in_flight(), [(backend.id(), 1)]);
    }
    tell.send(()).unwrap();
    assert_eq!(wire.answer().await.text(), "slow");
    until(|| site.handle.in_flight() == [(backend.id(), 0)]).await;
    // The connection to it is still the same one as well.
    tell.send(()).unwrap();
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "slow");
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn no_request_fails_while_instances_come_and_go() {
    let one = Backend::echo("one").await;
    let port = one.address.port();
    let site = std::sync::Arc::new(Site::with(&[&one]));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (site, stop) = (std::sync::Arc::clone(&site), std::sync::Arc::clone(&stop));
        clients.spawn(async move {
            let mut kept = site.connect().await;
            let mut count = 0_usize;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let request = "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 2\r\n\r\nhi";
                let answer = if number % 2 == 0 {
                    kept.send(request).await;
                    kept.answer().await
                } else {
                    site.ask(request).await
                };
                assert_eq!(answer.status(), 200, "{}", answer.text());
                count += 1;
            }
            count
        });
    }
    let mut current = one;
    for round in 2..22 {
        let address = format!("127.0.0.{round}:{port}").parse().unwrap();
        let next = Backend::echo_at(address, &format!("instance{round}")).await;
        site.publish(vec![app("blog", &[&next])]);
        assert!(site.handle.drain(&[current.id()], PATIENCE).await.is_complete());
        // The instance goes the moment the drain is over, connections and all.
        current.stop().await;
        current = next;
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    while let Some(count) = within(clients.join_next()).await {
        assert!(count.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_end_and_closes_the_rest() {
    let (backend, mut has_come, tell) = slow().await;
    // One worker: when it has closed the resting connection, it has heard of the shutdown.
    let site = Site::start_with(|settings| settings.workers = std::num::NonZeroUsize::new(1));
    site.publish(vec![app("blog", &[&backend])]);
    let mut resting = site.connect().await;
    resting.send("GET / HTTP/1.1\r\nHost: nobody\r\n\r\n").await;
    assert_eq!(resting.answer().await.status(), 404);
    let mut busy = site.connect().await;
    busy.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    within(has_come.recv()).await.unwrap();
    let handle = site.handle.clone();
    let shutdown = tokio::spawn(async move { handle.shutdown(PATIENCE).await });
    resting.ended().await;
    until(|| std::net::TcpStream::connect(site.address).is_err()).await;
    assert!(!shutdown.is_finished());
    tell.send(()).unwrap();
    let answer = busy.answer().await;
    assert_eq!((answer.text(), answer.head.get("connection")), ("slow", Some("close")));
    busy.ended().await;
    assert_eq!(within(shutdown).await.unwrap(), 0);
    assert_eq!(site.handle.shutdown(PATIENCE).await, 0, "a second one has nothing to do");
}

#[tokio::test]
async fn a_shutdown_cuts_what_does_not_end() {
    let backend = upgrade::websocket("blog").await;
    let site = Site::with(&[&backend]);
    let mut wire = upgrade::open(&site).await;
    assert_eq!(within(site.handle.shutdown(Duration::from_millis(50))).await, 1);
    wire.ended().await;
}

#[tokio::test]
async fn a_router_that_is_dropped_stops() {
    let mut site = Site::with(&[]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.answer().await.status(), 404);
    drop(site.handle);
    wire.ended().await;
    within(async { while site.records.next_batch().await.is_some() {} }).await;
}
