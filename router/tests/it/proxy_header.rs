//! PROXY headers in front of connections, as raw bytes.

use std::time::Duration;

use slipway_router::settings::RouterSettings;
use slipway_router::trust::Trust;
use tokio::io::AsyncWriteExt;

use super::support::{Backend, Site, app};
use super::trust::{reflect, reflected};

async fn site(proxies: &str, change: impl FnOnce(&mut RouterSettings)) -> (Site, Backend) {
    let backend = Backend::start("blog", reflect).await;
    let trust = Trust { proxies: proxies.parse().unwrap(), proxy_protocol: true, ..Trust::default() };
    let site = Site::start_with(|settings| {
        settings.trust = trust;
        change(settings);
    });
    site.publish(vec![app("blog", &[&backend])]);
    (site, backend)
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";

/// Version 2 for TCP over IPv4, with something behind the addresses.
fn block() -> Vec<u8> {
    let mut block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11".to_vec();
    block.extend([192, 0, 2, 9, 10, 0, 0, 1, 0x30, 0x39, 0x20, 0xfb]);
    block.extend([4, 0, 2, 1, 2]);
    block
}

#[tokio::test]
async fn both_versions_say_who_asks() {
    let (mut site, _backend) = site("127.0.0.1", |_| {}).await;
    let line = b"PROXY TCP4 192.0.2.9 10.0.0.1 12345 8443\r\n".to_vec();
    for header in [line, block()] {
        for step in [header.len() + REQUEST.len(), 1, 5] {
            let mut wire = site.connect().await;
            let bytes = [&header[..], REQUEST.as_bytes()].concat();
            for part in bytes.chunks(step) {
                wire.send(part).await;
                wire.stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            let head = reflected(wire.answer().await.text());
            assert_eq!(head.all("x-forwarded-for"), ["192.0.2.9"]);
            assert_eq!(head.get("x-forwarded-port"), Some("8443"));
            assert_eq!(site.record().await.client.to_string(), "192.0.2.9");
            // It holds for the whole connection, and is no part of a request.
            wire.send(REQUEST).await;
            assert_eq!(reflected(wire.answer().await.text()).all("x-real-ip"), ["192.0.2.9"]);
            site.record().await;
        }
    }
}

#[tokio::test]
async fn a_balancer_that_speaks_for_itself_is_the_client() {
    let (site, _backend) = site("127.0.0.1", |_| {}).await;
    for header in ["PROXY UNKNOWN\r\n".to_owned(), "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_owned()] {
        let mut wire = site.connect().await;
        wire.send(format!("{header}{REQUEST}")).await;
        assert_eq!(reflected(wire.answer().await.text()).all("x-forwarded-for"), ["127.0.0.1"]);
    }
}

#[tokio::test]
async fn a_header_is_required_of_the_trusted_and_refused_of_others() {
    let (site, backend) = site("127.0.0.1", |_| {}).await;
    for bytes in [
        REQUEST.as_bytes().to_vec(),
        b"PROXY TCP4 nonsense\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
        [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(),
    ] {
        let mut wire = site.connect().await;
        wire.send(&bytes).await;
        wire.ended().await;
    }
    assert_eq!(backend.accepted(), 0);
    // Who is not trusted cannot choose an address, and needs no header.
    site.handle.set_trust(Trust {
        proxies: "10.0.0.0/8".parse().unwrap(),
        proxy_protocol: true,
        ..Trust::default()
    });
    let answer = site.ask(&format!("PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n{REQUEST}")).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(reflected(site.ask(REQUEST).await.text()).all("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let (site, _backend) =
        site("127.0.0.1", |settings| settings.timeouts.head = Duration::from_millis(100)).await;
    for beginning in ["", "PROXY TCP4 192.0", "\r\n\r\n\0\r\nQUIT\n\x21"] {
        let mut wire = site.connect().await;
        wire.send(beginning).await;
        wire.ended().await;
    }
}
