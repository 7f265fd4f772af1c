//! HTTPS: who is reached with which certificate, who is refused, and what happens when certificates change.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::harness::http::Connection;
use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::{Output, run};
use crate::harness::server::{DOMAIN, Server};
use crate::harness::tls::{Authority, Trust};
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::websocket::{TEXT, WebSocket};

const BOUND: Duration = Duration::from_secs(20);

/// A server with HTTPS on which the torture app runs; the push's last line is the third.
fn deployed() -> (Server, String, String) {
    let server = Server::start_with("https-listen = \"127.0.0.1:0\"\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("secure");
    let push = torture::repo().push(&server, &alice, &app).success();
    let last = push.remote_lines().into_iter().rfind(|line| !line.is_empty()).unwrap();
    (server, app, last.trim().to_owned())
}

fn certificate_file(server: &Server) -> PathBuf {
    server.root().join("certs/default.crt")
}

fn https_url(server: &Server, host: &str) -> String {
    format!("https://{host}:{}", server.https_address().unwrap().port())
}

/// curl that trusts the server's own certificate and finds every host on this machine.
fn curl(server: &Server, arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--connect-to", "::127.0.0.1:"]);
    run(command.arg("--cacert").arg(certificate_file(server)).args(arguments).arg(url))
}

/// The status that curl gets with a `Host` of its own, on a connection for the app's name.
fn status_for_host(server: &Server, app: &str, host: &str) -> String {
    let header = format!("Host: {host}");
    let arguments = ["--header", &header, "--output", "/dev/null", "--write-out", "%{http_code}"];
    curl(server, &arguments, &https_url(server, &server.host(app))).success().stdout
}

fn s_client(server: &Server, arguments: &[&str]) -> Output {
    let address = server.https_address().unwrap().to_string();
    run(Command::new("openssl").args(["s_client", "-connect", &address]).args(arguments))
}

#[track_caller]
fn assert_refused(output: &Output) {
    assert!(output.stderr.contains("SSL alert number 112"), "{output}");
    assert!(output.stdout.contains("no peer certificate available"), "{output}");
}

#[test]
fn an_app_is_reached_over_https_and_over_http() {
    let (server, app, last_line) = deployed();
    let url = https_url(&server, &server.host(&app));
    // The server's certificate is its own work: it is there, and nobody is sent to it.
    assert_eq!(last_line, server.url(&app));
    let urls = server.command(&["urls", &app]).success().stdout;
    assert_eq!(urls, format!("{}\n", server.url(&app)));
    let ports = server.command(&["ports:report", &app, "--ports-map-detected"]).success().stdout;
    assert!(ports.contains("http:80:") && ports.contains(" https:443:"), "{ports}");

    let port = server.https_address().unwrap().port();
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let seen = curl(&server, &version, &format!("{url}/headers")).success().stdout.to_lowercase();
        assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
        assert!(seen.contains(&format!("x-forwarded-port: {port}\r\n")), "{seen}");
    }
    let plain = server.get(&app, "/headers").text().to_lowercase();
    assert!(plain.contains("x-forwarded-proto: http\r\n"), "{plain}");
    wait_until("both schemes are in the access log", BOUND, || {
        let log = server.command(&["logs", &app, "-p", "router"]).success().stdout;
        log.contains("protocol=https ") && log.contains("protocol=http ")
    });

    let key = fs::metadata(server.root().join("certs/default.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let negotiated = s_client(&server, &["-servername", &server.host(&app), "-alpn", "h2,http/1.1"]);
    assert!(negotiated.stdout.contains("ALPN protocol: h2"), "{negotiated}");
}

#[test]
fn a_further_port_may_speak_https_too() {
    let (server, app, _) = deployed();
    let detected = server.command(&["ports:report", &app, "--ports-map-detected"]).success().stdout;
    let container_port = detected.split_whitespace().next().and_then(|map| map.rsplit(':').next()).unwrap();
    // Free a moment ago; the kernel gives such ports out in turn.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mapping = format!("https:{port}:{container_port}");
    server.command(&["ports:set", &app, &format!("http:80:{container_port}"), &mapping]).success();

    let url = format!("https://{}:{port}", server.host(&app));
    let main = https_url(&server, &server.host(&app));
    let authority = Authority::new();
    authority.pair(&format!("*.{DOMAIN}"), 2999).install(&server);
    server.reload();
    // A certificate that an authority has signed is one that people can be sent to.
    let expected = format!("{}\n{url}\n{main}\n", server.url(&app));
    wait_until("the new certificate is in force", BOUND, || {
        server.command(&["urls", &app]).success().stdout == expected
    });
    let seen = curl(&server, &[], &format!("{url}/headers")).success().stdout.to_lowercase();
    assert!(seen.contains(&format!("x-forwarded-port: {port}\r\n")), "{seen}");
    assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
    curl(&server, &[], &main).success();
}

#[test]
fn a_name_that_no_app_or_no_certificate_has_is_refused() {
    let (server, app, _) = deployed();
    let foreign = format!("{app}.example");
    server.command(&["domains:add", &app, &foreign]).success();

    assert_refused(&s_client(&server, &["-servername", &format!("{app}x.{DOMAIN}")]));
    assert_refused(&s_client(&server, &["-servername", &foreign]));
    assert_refused(&s_client(&server, &["-noservername"]));
    assert_refused(&s_client(&server, &["-noservername", "-tls1_2"]));

    assert_eq!(status_for_host(&server, &app, &server.host(&app).to_uppercase()), "200");
    assert_eq!(status_for_host(&server, &app, &foreign), "421");
    // Covered by the connection's certificate, so that the answer is the ordinary one.
    assert_eq!(status_for_host(&server, &app, &format!("{app}x.{DOMAIN}")), "404");
    assert_eq!(server.connect().get(&foreign, "/").unwrap().status, 200);
}

#[test]
fn bodies_and_websockets_pass_unchanged() {
    let (server, app, _) = deployed();
    let (address, host) = (server.https_address().unwrap(), server.host(&app));
    let trust = Trust::in_file(&certificate_file(&server));
    let mut connection = Connection::over(trust.connect(address, &host).unwrap());
    let body: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let upload = connection.request("POST", &host, "/upload", &body).unwrap();
    let expected =
        "length 3000000\nsha256 4d3870d4655ed773027a713ea136507d22e076248e0e9cc920a996039653b76f\n";
    assert_eq!(upload.text(), expected);
    assert_eq!(connection.get(&host, "/download?bytes=3000000").unwrap().body, body);

    let mut socket = WebSocket::over(connection, &host, "/ws").unwrap();
    for payload in [b"hello".to_vec(), "x".repeat(40_000).into_bytes()] {
        socket.send(TEXT, &payload).unwrap();
        assert_eq!(socket.receive().unwrap().payload, payload);
    }
}

#[test]
fn a_new_certificate_is_read_without_a_cut_request() {
    let (mut server, app, _) = deployed();
    let (address, host) = (server.https_address().unwrap(), server.host(&app));
    // It says nothing; what becomes of it is looked at last, since it takes its time.
    let mut silent = TcpStream::connect(address).unwrap();
    silent.set_read_timeout(Some(BOUND)).unwrap();
    let authority = Authority::new();
    let trust = authority.trust();
    let name = format!("*.{DOMAIN}");
    let pairs = [authority.pair(&name, 2999), authority.pair(&name, 2999)];
    let install = |index: usize| {
        pairs[index].install(&server);
        server.reload();
        wait_until("the new certificate is shown", BOUND, || {
            trust.connect(address, &host).is_ok() && trust.is_shown(&pairs[index], address, &host)
        });
    };
    install(0);
    let chat = Connection::over(trust.connect(address, &host).unwrap());
    let mut chat = WebSocket::over(chat, &host, "/ws").unwrap();
    let load = Load::new()
        .over_tls(&trust)
        .get(&server, &app, "/", (Connections::KeepAlive, 2))
        .get(&server, &app, "/", (Connections::New, 2))
        .get(&server, &app, "/drip?bytes=20&ms=20", (Connections::New, 1))
        .add(&server, &app, ("POST", "/upload", &[7; 20_000]), (Connections::KeepAlive, 1));
    for round in 1..8 {
        install(round % 2);
    }

    // A key that belongs to another certificate: what is shown stays.
    let mixed = server.root().join("certs/default.key");
    fs::write(mixed, &pairs[0].key).unwrap();
    server.reload();
    wait_until("the log says what is wrong", BOUND, || {
        server.log().contains("the key does not fit the certificate")
    });
    assert!(trust.is_shown(&pairs[1], address, &host));

    load.stop().assert_flawless();
    chat.send(TEXT, b"still there?").unwrap();
    assert_eq!(chat.receive().unwrap().payload, b"still there?");
    drop(chat);

    authority.pair("other.example", 2001).install(&server);
    server.reload();
    wait_until("the log warns of what clients will not like", BOUND, || {
        let log = server.log();
        log.contains("has expired") && log.contains("does not cover the apps below the domain")
    });
    wait_until("the certificate is the one for another name", BOUND, || {
        trust.connect(address, &host).is_err()
    });
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "a handshake without an end is ended");

    // Nor is a certificate that cannot be read a reason not to start.
    fs::write(certificate_file(&server), "nothing").unwrap();
    server.restart();
    assert!(trust.connect(server.https_address().unwrap(), &host).is_err());
    server.wait_until_reachable(&app, "/");
}
