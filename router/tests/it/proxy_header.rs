//! PROXY headers in front of connections, as raw bytes.

use std::sync::Arc;
use std::time::Duration;

use slipway_router::settings::RouterSettings;
use slipway_router::table::Entrance;
use slipway_router::trust::Trust;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::support::{Backend, Head, Site, Wire, app, port_route, within};
use super::tls_support::{TlsSite, certificate, client_config, show};
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

/// What the app is told of a request over TLS whose connection begins with these bytes in clear text.
async fn encrypted_behind(site: &TlsSite, header: &[u8]) -> Head {
    let mut wire = Wire::connect(site.https).await;
    wire.send(header).await;
    let name = ServerName::try_from("blog.test").unwrap();
    let connecting = TlsConnector::from(Arc::new(client_config())).connect(name, wire.stream);
    let mut stream = within(connecting).await.unwrap();
    within(stream.write_all(REQUEST.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()))
        .await
        .unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    reflected(body)
}

#[tokio::test]
async fn a_handshake_follows_the_header() {
    let backend = Backend::start("blog", reflect).await;
    let site = TlsSite::start_with(|settings| {
        settings.trust =
            Trust { proxies: "127.0.0.1".parse().unwrap(), proxy_protocol: true, ..Trust::default() };
    });
    let mut routes = app("blog", &[&backend]);
    routes.ports.push(port_route(Entrance::Https, &backend));
    site.publish(vec![routes]);
    show(&site, &[&certificate(&["blog.test"])]);
    for header in [b"PROXY TCP4 192.0.2.9 10.0.0.1 12345 8443\r\n".to_vec(), block()] {
        let told = encrypted_behind(&site, &header).await;
        assert_eq!(told.all("x-forwarded-for"), ["192.0.2.9"]);
        assert_eq!(told.get("x-forwarded-proto"), Some("https"));
        assert_eq!(told.get("x-forwarded-port"), Some("8443"));
    }
    // A handshake without a header in front of it is no header.
    let mut wire = Wire::connect(site.https).await;
    wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00").await;
    wire.ended().await;
}
