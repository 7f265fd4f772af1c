//! The host's certificates and its proxy: in builds and in what comes of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::buildpack;
use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;

const SOON: Duration = Duration::from_secs(20);

/// An address of this host that containers can reach.
fn host_address() -> IpAddr {
    let addresses = getifaddrs().unwrap().filter_map(|interface| interface.address);
    let mut addresses = addresses.filter_map(|address| Some(IpAddr::V4(address.as_sockaddr_in()?.ip())));
    addresses.find(|address| !address.is_loopback()).unwrap()
}

/// Serves `trusted` over HTTPS, with a certificate that only those know who were told; gives its port and certificate.
fn secret_mirror(host: IpAddr) -> (u16, String) {
    let own = rcgen::generate_simple_self_signed([host.to_string()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            thread::spawn(move || answer(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)));
        }
    });
    (port, certificate)
}

/// Whoever does not trust the certificate goes away before there is anything to answer.
fn answer(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    let mut request = [0; 4096];
    if stream.read(&mut request).is_ok() {
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\ntrusted\n").ok();
        stream.conn.send_close_notify();
        stream.flush().ok();
    }
}

/// A proxy that lets nothing through and tells what it was asked.
fn proxy() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").ok();
            // The test may have ended.
            asked.send(String::from_utf8_lossy(&request[..length]).into_owned()).ok();
        }
    });
    (port, requests)
}

const ASK_MIRROR: &str = r#"
echo "curl: $(curl -sS "$MIRROR" 2>&1)"
echo "git: $(git ls-remote "$MIRROR" 2>&1 | head -n 1)"
echo "python: $(python3 -c 'import os, urllib.request as u; print(u.urlopen(os.environ["MIRROR"]).read().decode().strip())' 2>&1 | tail -n 1)"
echo "wget: $(wget -qO- "$MIRROR" 2>&1)"
echo "java: $(head -c 4 /etc/ssl/certs/java/cacerts | od -An -tx1)"
echo "node: $NODE_EXTRA_CA_CERTS"
"#;

#[test]
fn certificates_of_a_company_are_trusted_in_builds_and_apps_and_may_vanish() {
    let host = host_address();
    let (port, certificate) = secret_mirror(host);
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("company.pem");
    fs::write(&bundle, certificate).unwrap();
    let server = Server::start_with(&format!(
        "[build]\nca-bundle = \"{}\"\nreachable = [\"{host}:{port}\"]\n",
        bundle.display()
    ));
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("trust");
    let mirror = format!("https://{host}:{port}/");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} NODE_EXTRA_CA_CERTS=/app/own.pem")).success();
    let repo = buildpack::repo(&format!("export MIRROR={mirror}\n{ASK_MIRROR}"));
    let pushed = repo.push(&server, &alice, &app).success();
    for line in
        ["curl: trusted", "python: trusted", "wget: trusted", "java:  fe ed fe ed", "node: /app/own.pem"]
    {
        assert!(pushed.stderr.contains(line), "{line} is not in {pushed}");
    }
    // There is no repository there, which git can say only once it has looked.
    assert!(pushed.stderr.contains("git: ") && !pushed.stderr.contains("certificate"), "{pushed}");

    let get = |name: &str| server.get(&app, &format!("/env?name={name}")).text();
    assert_eq!(get("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(get("NODE_EXTRA_CA_CERTS"), "/app/own.pem");
    let ask = format!("run {app} curl -sS {mirror}");
    assert_eq!(server.ssh(&alice, &ask).success().stdout, "trusted\n");
    let shown = server.ssh(&alice, &format!("config:show {app}")).success();
    assert!(!shown.stdout.contains("SSL_CERT_FILE"), "{shown}");

    // What is gone from the host is kept for those that have it, and the next ones.
    fs::remove_file(&bundle).unwrap();
    engine::act_on(&format!("{app}.web.1"), "restart?t=1");
    server.wait_until_reachable(&app, "/");
    server.ssh(&alice, &format!("ps:restart {app}")).success();
    assert_eq!(server.ssh(&alice, &ask).success().stdout, "trusted\n");
    let doctor = server.ssh(&alice, "doctor");
    assert!(doctor.stdout.contains("company.pem cannot be read"), "{doctor}");
    repo.commit("The same again");
    let pushed = repo.push(&server, &alice, &app).success();
    assert!(
        pushed.stderr.contains("company.pem cannot be read") && pushed.stderr.contains("curl: trusted"),
        "{pushed}"
    );
}

#[test]
fn a_proxy_is_used_by_builds_and_apps_and_its_password_is_shown_nowhere() {
    let host = host_address();
    let (port, requests) = proxy();
    let server = Server::start_with(&format!(
        "[build]\nca-bundle = \"none\"\nhttps-proxy = \"http://me:hunter2@{host}:{port}\"\nno-proxy = \"corp.example\"\n"
    ));
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("proxied");
    let asks = |name: &str| {
        let request = requests.recv_timeout(SOON).unwrap();
        assert!(request.starts_with(&format!("CONNECT {name}:443 HTTP/1.1\r\n")), "{request}");
        // me:hunter2
        assert!(request.contains("Proxy-Authorization: Basic bWU6aHVudGVyMg=="), "{request}");
    };
    let repo = buildpack::repo(
        "curl -s https://build.example/; git ls-remote https://git.example/ 2>/dev/null; echo \"java: $JAVA_TOOL_OPTIONS\"; echo \"direct: $no_proxy\"; echo \"bundle: ${SSL_CERT_FILE-none}\"",
    );
    let pushed = repo.push(&server, &alice, &app).success();
    asks("build.example");
    // git asks without the password first, and once more with it.
    assert!(requests.recv_timeout(SOON).unwrap().starts_with("CONNECT git.example:443"));
    assert!(
        pushed.stderr.contains(&format!("java: -Dhttps.proxyHost={host} -Dhttps.proxyPort={port}")),
        "{pushed}"
    );
    assert!(pushed.stderr.contains("direct: corp.example,localhost,127.0.0.1,::1,.internal,"), "{pushed}");
    assert!(pushed.stderr.contains("bundle: none"), "{pushed}");
    while requests.try_recv().is_ok() {}

    server.ssh(&alice, &format!("run {app} curl -s https://run.example/"));
    asks("run.example");
    assert!(server.get(&app, "/env?name=NO_PROXY").text().contains(".internal"));
    let own = format!("config:set {app} HTTPS_PROXY=http://other.example:1");
    server.ssh(&alice, &own).success();
    assert_eq!(server.get(&app, "/env?name=HTTPS_PROXY").text(), "http://other.example:1");
    assert_eq!(server.get(&app, "/env?name=https_proxy").status, 404);

    // A Dockerfile's build and its app are told as well, and its image is not.
    let docker = names::unique("docker");
    let with_dockerfile = torture::repo();
    let dockerfile = fs::read_to_string(with_dockerfile.path().join("Dockerfile")).unwrap();
    let marker = names::never_used("marker");
    with_dockerfile.write(
        "Dockerfile",
        format!("{dockerfile}RUN : {marker}; echo \"told: ${{https_proxy##*@}} ${{HTTPS_PROXY##*@}}\"\n"),
    );
    with_dockerfile.commit("Says where the proxy is");
    let pushed = with_dockerfile.push(&server, &alice, &docker).success();
    assert!(pushed.stderr.contains(&format!("told: {host}:{port} {host}:{port}")), "{pushed}");
    let image =
        engine::get(&format!("/containers/{docker}.web.1/json"))["Image"].as_str().unwrap().to_owned();
    for facts in
        [engine::get(&format!("/images/{image}/json")), engine::get(&format!("/images/{image}/history"))]
    {
        assert!(!facts.to_string().contains("hunter2"), "{facts}");
    }
    let shown = server.ssh(&alice, &format!("config:show {docker}")).success();
    assert!(!shown.stdout.to_lowercase().contains("proxy"), "{shown}");
    let doctor = server.ssh(&alice, "doctor");
    assert!(
        doctor.stdout.contains(&format!("{host}:{port}")) && !doctor.stdout.contains("hunter2"),
        "{doctor}"
    );
    assert!(!server.log().contains("hunter2"));
}
