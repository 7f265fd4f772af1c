//! What passes the router: everything, unchanged and at once.

use std::io::BufRead;
use std::time::{Duration, Instant};

use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::websocket::{CLOSE, Frame, PING, PONG, TEXT, WebSocket};

/// A server on which the torture app runs.
fn deployed() -> (Server, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("traffic");
    torture::repo().push(&server, &alice, &app).success();
    (server, app)
}

#[test]
fn bodies_pass_unchanged_in_both_directions() {
    let (server, app) = deployed();
    let host = server.host(&app);
    let mut connection = server.connect();

    let body: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let upload = connection.request("POST", &host, "/upload", &body).unwrap();
    let expected =
        "length 3000000\nsha256 4d3870d4655ed773027a713ea136507d22e076248e0e9cc920a996039653b76f\n";
    assert_eq!(upload.text(), expected);

    let head = format!("POST /upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.write(format!("{head}1\r\na\r\n2\r\nbc\r\n0\r\n\r\n").as_bytes()).unwrap();
    let chunked = connection.read_response("POST").unwrap();
    let expected = "length 3\nsha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";
    assert_eq!(chunked.text(), expected);

    assert_eq!(connection.get(&host, "/download?bytes=3000000").unwrap().body, body);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (server, app) = deployed();
    let host = server.host(&app);
    let mut connection = server.connect();

    let paths = ["/sleep?ms=200", "/status/404", "/download?bytes=5", "/"];
    let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    connection.write(requests.concat().as_bytes()).unwrap();

    let answers = paths.map(|_| connection.read_response("GET").unwrap());
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 404, 200, 200]);
    assert_eq!(answers[0].text(), "slept 200 ms\n");
    assert_eq!(answers[2].body, [0, 1, 2, 3, 4]);
    assert_eq!(answers[3].text(), "torture\n");
}

#[test]
fn events_arrive_when_they_are_sent() {
    let (server, app) = deployed();
    let mut connection = server.connect();
    let head = format!("GET /sse?n=2&ms=2000 HTTP/1.1\r\nHost: {}\r\n\r\n", server.host(&app));
    connection.write(head.as_bytes()).unwrap();

    let mut reader = connection.into_reader();
    let started = Instant::now();
    let mut line = String::new();
    while !line.starts_with("data: event 1 of 2") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the connection ended before the first event");
    }
    // The second event follows two seconds later; a buffer would hold the first one back until then.
    assert!(started.elapsed() < Duration::from_millis(1500), "the first event took {:?}", started.elapsed());
}

#[test]
fn a_websocket_is_a_connection_of_its_own() {
    let (server, app) = deployed();
    let mut socket = WebSocket::open(server.http_address(), &server.host(&app), "/ws").unwrap();

    let long = "x".repeat(40_000).into_bytes();
    for payload in [b"hello".to_vec(), Vec::new(), long] {
        socket.send(TEXT, &payload).unwrap();
        assert_eq!(socket.receive().unwrap(), Frame { opcode: TEXT, payload });
    }
    socket.send(PING, b"p").unwrap();
    assert_eq!(socket.receive().unwrap(), Frame { opcode: PONG, payload: b"p".to_vec() });
    let normal_closure = 1000_u16.to_be_bytes().to_vec();
    socket.send(CLOSE, &normal_closure).unwrap();
    assert_eq!(socket.receive().unwrap(), Frame { opcode: CLOSE, payload: normal_closure });
}

#[test]
fn the_app_learns_who_asked() {
    let (server, app) = deployed();
    let seen = server.get(&app, "/headers?a=b%20c").text();

    assert!(seen.starts_with("GET /headers?a=b%20c HTTP/1.1\r\n"), "{seen}");
    let header = |name: &str| {
        let mut lines = seen.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    assert_eq!(header("host"), Some(server.host(&app)));
    assert_eq!(header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(header("x-forwarded-port"), Some(server.http_address().port().to_string()));
    assert!(header("x-request-id").is_some_and(|id| id.len() >= 8), "{seen}");
    assert!(header("x-request-start").is_some(), "{seen}");
}

#[test]
fn a_host_that_no_app_has_is_told_so() {
    let (server, app) = deployed();
    let unknown = server.get(&format!("{app}x"), "/");
    assert_eq!(unknown.status, 404);
    assert!(!unknown.text().contains(&app), "the page names an app: {}", unknown.text());
}
