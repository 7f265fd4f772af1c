//! One router takes another's place at the same sockets, and no client notices.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use slipway_router::Router;
use slipway_router::settings::RouterSettings;
use slipway_router::table::Entrance;
use tokio::net::TcpStream;

use super::support::{Backend, PATIENCE, Site, Wire, app, port_route, until, within};
use super::{drain, upgrade};

const GET: &str = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";

/// A router with the sockets of another, closed as yet.
fn successor(site: &Site) -> Site {
    let sockets = site.handle.listening_sockets().unwrap();
    let settings =
        RouterSettings { listen: site.address, workers: NonZeroUsize::new(2), ..RouterSettings::default() };
    let bound = Router::take_over(settings, sockets).unwrap();
    let address = bound.http_address();
    let (handle, records) = bound.start_closed().unwrap();
    Site { handle, address, records }
}

/// Lets the old router leave in the background.
fn leave(site: &Site) -> tokio::task::JoinHandle<usize> {
    let handle = site.handle.clone();
    tokio::spawn(async move { handle.leave(PATIENCE).await })
}

#[tokio::test]
async fn no_request_fails_while_routers_take_each_others_place() {
    let backend = Backend::echo("blog").await;
    let mut site = Site::with(&[&backend]);
    let address = site.address;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = [true, true, false, false]
        .into_iter()
        .map(|keeps| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let (mut kept, mut answers) = (None, 0);
                while !stop.load(Ordering::Relaxed) {
                    let mut wire: Wire = match kept.take() {
                        Some(wire) => wire,
                        None => Wire::connect(address).await,
                    };
                    wire.send(GET).await;
                    let answer = wire.answer().await;
                    assert_eq!(answer.text(), "blog");
                    answers += 1;
                    if keeps && answer.head.get("connection") != Some("close") {
                        kept = Some(wire);
                    }
                }
                answers
            })
        })
        .collect();
    let mut left = Vec::new();
    for _ in 0..20 {
        let next = successor(&site);
        next.publish(vec![app("blog", &[&backend])]);
        next.handle.open();
        left.push(leave(&site));
        site = next;
        site.get("blog.test").await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(within(client).await.unwrap() > 0);
    }
    for old in left {
        assert_eq!(within(old).await.unwrap(), 0, "connections were cut");
    }
}

#[tokio::test]
async fn a_connection_that_rests_gets_one_more_answer_of_the_old_router() {
    let backend = Backend::echo("blog").await;
    let old = Site::with(&[&backend]);
    let mut busy = old.connect().await;
    busy.send(GET).await;
    assert_eq!(busy.answer().await.head.get("connection"), None);
    let mut resting = old.connect().await;
    resting.send(GET).await;
    resting.answer().await;

    let new = successor(&old);
    new.publish(vec![app("blog", &[&backend])]);
    new.handle.open();
    let leaving = leave(&old);
    // The first may be answered before all of the old router's threads know.
    within(async {
        loop {
            busy.send(GET).await;
            let answer = busy.answer().await;
            assert_eq!(answer.text(), "blog");
            if answer.head.get("connection") == Some("close") {
                break;
            }
        }
    })
    .await;
    busy.ended().await;
    // Nothing is sent on the other one, and a table that is out of date must not serve it for long.
    assert!(!leaving.is_finished());
    old.handle.end_linger();
    resting.ended().await;
    assert_eq!(within(leaving).await.unwrap(), 0);
}

#[tokio::test]
async fn a_websocket_stays_with_the_old_router_whose_drain_waits_for_it() {
    let backend = upgrade::websocket("blog").await;
    let old = Site::with(&[&backend]);
    let mut wire = upgrade::open(&old).await;
    let new = successor(&old);
    new.publish(vec![app("blog", &[&backend])]);
    new.handle.open();
    let leaving = leave(&old);
    old.handle.end_linger();
    let (handle, ids) = (old.handle.clone(), [backend.id()]);
    let drain = tokio::spawn(async move { handle.drain(&ids, PATIENCE).await });
    for _ in 0..20 {
        wire.send("x").await;
        assert_eq!(wire.exactly(1).await, b"x");
    }
    assert!(!drain.is_finished() && !leaving.is_finished());
    drop(wire);
    assert!(within(drain).await.unwrap().is_complete());
    assert_eq!(within(leaving).await.unwrap(), 0);
}

#[tokio::test]
async fn clients_wait_in_the_queue_until_the_new_router_opens() {
    let backend = Backend::echo("blog").await;
    let old = Site::with(&[&backend]);
    let new = successor(&old);
    assert_eq!(within(old.handle.leave(PATIENCE)).await, 0);
    let mut early = new.connect().await;
    early.send(GET).await;
    new.publish(vec![app("blog", &[&backend])]);
    assert_eq!(backend.accepted(), 0);
    new.handle.open();
    assert_eq!(early.answer().await.text(), "blog");
}

#[tokio::test]
async fn ports_of_apps_are_handed_over_and_those_that_nobody_wants_are_closed() {
    let backend = Backend::echo("blog").await;
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (kept, dropped) = (free(), free());
    let on = |address: std::net::SocketAddr| port_route(Entrance::Port(address.port()), &backend);
    let with = |ports: &[std::net::SocketAddr]| {
        let mut routes = app("blog", &[&backend]);
        routes.ports.extend(ports.iter().map(|port| on(*port)));
        routes
    };
    let old = Site::start();
    assert!(old.publish(vec![with(&[kept, dropped])]).unbound.is_empty());
    let new = successor(&old);
    assert!(new.publish(vec![with(&[kept])]).unbound.is_empty());
    new.handle.open();
    assert_eq!(within(old.handle.leave(Duration::ZERO)).await, 0);
    let mut wire = Wire::connect(kept).await;
    wire.send(GET).await;
    assert_eq!(wire.answer().await.text(), "blog");
    until(|| std::net::TcpStream::connect(dropped).is_err()).await;
    // Once the new one closes a port, it is closed, although the old one may be there for hours.
    new.publish(vec![with(&[])]);
    until(|| std::net::TcpStream::connect(kept).is_err()).await;
}

#[tokio::test]
async fn requests_of_http2_end_with_the_old_router_and_the_next_go_to_the_new_one() {
    let (backend, mut has_come, tell) = drain::slow().await;
    let old = Site::with(&[&backend]);
    let stream = TokioIo::new(TcpStream::connect(old.address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = || Request::get("http://blog.test/").body(Empty::<Bytes>::new()).unwrap();
    let under_way = sender.send_request(request());
    let answer = tokio::spawn(under_way);
    within(has_come.recv()).await.unwrap();

    let new = successor(&old);
    new.publish(vec![app("blog", &[&backend])]);
    new.handle.open();
    let leaving = leave(&old);
    // The request that is under way is answered in spite of the goodbye.
    tell.send(()).unwrap();
    let answer = within(answer).await.unwrap().unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "slow");
    within(connection).await.unwrap().unwrap();
    assert_eq!(within(leaving).await.unwrap(), 0);

    let mut wire = new.connect().await;
    wire.send(GET).await;
    within(has_come.recv()).await.unwrap();
    tell.send(()).unwrap();
    assert_eq!(wire.answer().await.text(), "slow");
}
