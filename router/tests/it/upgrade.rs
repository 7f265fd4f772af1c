//! WebSockets and what else asks to leave HTTP.

use std::time::Duration;

use slipway_router::policy::Policy;

use super::support::{Backend, Site, Wire, app, app_with};

pub const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: blog.test\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Accepts the upgrade, greets in the same breath, and echoes until the other side ends.
pub async fn websocket(name: &str) -> Backend {
    Backend::start(name, |mut wire| async move {
        let head = wire.head().await;
        assert_eq!(head.get("connection"), Some("upgrade"));
        assert_eq!(head.get("upgrade"), Some("websocket"));
        assert_eq!(head.get("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello",
        )
        .await;
        let (mut reading, mut writing) = wire.stream.split();
        // A client that is cut off is no failure of this backend.
        drop(tokio::io::copy(&mut reading, &mut writing).await);
    })
    .await
}

pub async fn open(site: &Site) -> Wire {
    let mut wire = site.connect().await;
    wire.send(HANDSHAKE).await;
    let head = wire.head().await;
    assert_eq!(head.status(), 101);
    assert_eq!(head.get("upgrade"), Some("websocket"));
    assert_eq!(head.get("connection"), Some("upgrade"));
    assert_eq!(head.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(wire.exactly(5).await, b"hello");
    wire
}

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_until_it_ends() {
    let backend = websocket("blog").await;
    let mut site = Site::with(&[&backend]);
    let mut wire = open(&site).await;
    for round in 0..100_u32 {
        // No line ends, and more than one buffer.
        let message: Vec<u8> = (0..40_000_u32).map(|index| (index ^ round) as u8).collect();
        wire.send(&message).await;
        assert!(wire.exactly(message.len()).await == message, "round {round}");
    }
    drop(wire);
    let record = site.record().await;
    assert_eq!((record.status, record.code), (101, None));
    assert!(record.bytes >= 4_000_005, "{}", record.bytes);
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    let backend = Backend::echo("no").await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(HANDSHAKE).await;
    assert_eq!(wire.answer().await.text(), "no");
    // And the connection goes on as HTTP.
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "no");
}

#[tokio::test]
async fn bytes_behind_a_refused_upgrade_are_the_next_request() {
    // A tunnel that opened before the app's 101 would carry the second request past every rule (CVE-2026-2833).
    let backend = Backend::echo("no").await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(format!("{HANDSHAKE}GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")).await;
    assert_eq!(wire.answer().await.text(), "no");
    assert_eq!(wire.answer().await.code(), Some("unknown-host"));
}

#[tokio::test]
async fn a_silent_tunnel_ends_after_its_time() {
    let backend = websocket("blog").await;
    let mut site = Site::start();
    let hasty = |policy: &mut Policy| policy.timeouts.tunnel_idle = Duration::from_millis(100);
    site.publish(vec![app_with("blog", &[&backend], hasty)]);
    let mut wire = open(&site).await;
    wire.ended().await;
    assert_eq!(site.record().await.code, Some("H15"));
}

#[tokio::test]
async fn tunnels_of_an_app_survive_the_deployments_of_others() {
    let (backend, other) = (websocket("blog").await, Backend::echo("other").await);
    let site = Site::with(&[&backend]);
    let mut wire = open(&site).await;
    for round in 0..10 {
        let name = format!("shop{round}");
        site.publish(vec![app("blog", &[&backend]), app(&name, &[&other])]);
        wire.send("x").await;
        assert_eq!(wire.exactly(1).await, b"x");
    }
    assert_eq!(site.handle.in_flight().iter().find(|(id, _)| *id == backend.id()).unwrap().1, 1);
}
