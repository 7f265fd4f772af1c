//! Twenty deploys under load, and no request fails.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::websocket::{CLOSE, TEXT, WebSocket};

const DEPLOYS: u32 = 20;

#[test]
fn no_request_fails_over_twenty_deploys() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("busy");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();

    let body = vec![7; 20_000];
    let load = Load::new()
        .get(&server, &app, "/", (Connections::KeepAlive, 2))
        .get(&server, &app, "/", (Connections::New, 2))
        .get(&server, &app, "/sleep?ms=300", (Connections::KeepAlive, 2))
        .get(&server, &app, "/drip?bytes=20&ms=20", (Connections::New, 1))
        .add(&server, &app, ("POST", "/upload", &body), (Connections::KeepAlive, 1))
        .add(&server, &app, ("POST", "/upload", &body), (Connections::New, 1));
    let stop = Arc::new(AtomicBool::new(false));
    let (address, host, stopped) = (server.http_address(), server.host(&app), stop.clone());
    let chat = thread::spawn(move || chat_until(&stopped, address, &host));

    for version in 2..DEPLOYS + 2 {
        torture::commit_version(&repo, &version.to_string());
        repo.push(&server, &alice, &app).success();
        let instance = server.get(&app, "/instance").text();
        assert!(instance.contains(&format!("\nversion {version}\n")), "after version {version}: {instance}");
    }

    load.stop().assert_flawless();
    stop.store(true, Ordering::Relaxed);
    let echoes = chat.join().unwrap().unwrap_or_else(|error| panic!("a WebSocket broke: {error}"));
    assert!(echoes > 0, "the WebSocket echoed nothing");
}

/// Sends messages over a WebSocket and opens a new one whenever the server says goodbye; an end without a close
/// frame is an error. Returns how many messages came back.
fn chat_until(stop: &AtomicBool, address: SocketAddr, host: &str) -> io::Result<u64> {
    let mut echoes = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut socket = WebSocket::open(address, host, "/ws")?;
        while !stop.load(Ordering::Relaxed) {
            // The goodbye may be on its way already, so that the message can no longer be sent.
            let sent = socket.send(TEXT, b"still there?");
            let frame = socket.receive()?;
            if frame.opcode == CLOSE {
                break;
            }
            sent?;
            assert_eq!(frame.payload, b"still there?");
            echoes += 1;
            // A chat, not a flood.
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(echoes)
}
