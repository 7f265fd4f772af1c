//! TLS as clients see it: what they are shown for which name, what they can come back with, and what is asked of them.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256};
use slipway_router::RouterHandle;
use slipway_router::tls_spec::{AppTls, ClientAuthority, ClientCertificates, TlsSpec, TlsVersions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, NamedGroup, SupportedProtocolVersion};

use crate::support::{Backend, app_with, host, port_route, within};
use crate::tls_support::{self, Pair, TlsSite, ask, certificate, client_config, client_config_of, connect};
use slipway_router::table::Entrance;

fn app_tls(hosts: &[&str], pairs: &[&Pair]) -> AppTls {
    AppTls {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        certificates: pairs.iter().map(|pair| Arc::new(pair.certificate())).collect(),
        versions: TlsVersions::default(),
        clients: ClientCertificates::default(),
    }
}

fn set(handle: &RouterHandle, default: &[&Pair], apps: Vec<AppTls>) {
    let default = default.iter().map(|pair| Arc::new(pair.certificate())).collect();
    handle.set_tls(&TlsSpec { default, apps, versions: TlsVersions::default() });
}

/// Two apps on hosts of one domain, as `NAME.test`; the second is strict if it is asked to be.
async fn two_apps(strict: bool) -> (TlsSite, Vec<Backend>) {
    let site = TlsSite::start_with(|_| {});
    let (mut apps, mut backends) = (Vec::new(), Vec::new());
    for name in ["blog", "shop"] {
        let backend = Backend::start(name, headers_back).await;
        let change = |policy: &mut slipway_router::policy::Policy| {
            policy.access.client_certificate = strict && name == "shop";
            policy.headers.underscores = true;
        };
        let mut routes = app_with(name, &[&backend], change);
        routes.ports.push(port_route(Entrance::Https, &backend));
        apps.push(routes);
        backends.push(backend);
    }
    apps[0].hosts.push(host("*.wild.test"));
    site.publish(apps);
    (site, backends)
}

/// Answers with the request's headers.
async fn headers_back(mut wire: crate::support::Wire) {
    while let Some(head) = wire.try_head().await {
        let mut lines: Vec<String> =
            head.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.sort();
        let body = lines.join("\n");
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    }
}

/// Sends a request and reads the answer, on a connection that stays.
async fn get(stream: &mut TlsStream<TcpStream>, host: &str, headers: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    within(stream.write_all(request.as_bytes())).await.unwrap();
    let (mut answer, mut room) = (Vec::new(), [0; 4096]);
    loop {
        let count = within(stream.read(&mut room)).await.unwrap();
        answer.extend_from_slice(&room[..count]);
        let text = String::from_utf8_lossy(&answer);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            length.is_none_or(|length: usize| body.len() >= length)
        });
        if whole || count == 0 {
            return text.into_owned();
        }
    }
}

async fn shown(site: &TlsSite, name: &str) -> Result<CertificateDer<'static>, String> {
    ask(site.https, name, &[b"http/1.1"]).await.map(|asked| asked.shown)
}

#[tokio::test]
async fn each_app_shows_its_own_certificate_and_the_servers_where_it_has_none() {
    let (site, _backends) = two_apps(false).await;
    let (default, wide) = (certificate(&["*.test", "*.wild.test"]), certificate(&["*.test"]));
    let exact = certificate(&["blog.test"]);
    set(&site.handle, &[&default], vec![app_tls(&["blog.test", "*.wild.test"], &[&wide, &exact])]);
    assert_eq!(shown(&site, "blog.test").await.unwrap(), exact.first());
    assert_eq!(shown(&site, "BLOG.test").await.unwrap(), exact.first());
    // The other app's host is covered by the first one's wildcard, which is none of its business.
    assert_eq!(shown(&site, "shop.test").await.unwrap(), default.first());
    assert_eq!(shown(&site, "x.wild.test").await.unwrap(), default.first());
    for name in ["nobody.test", "a.x.wild.test", "test"] {
        assert!(shown(&site, name).await.unwrap_err().contains("UnrecognisedName"), "{name}");
    }
    set(&site.handle, &[], vec![app_tls(&["blog.test"], &[&exact])]);
    assert!(shown(&site, "shop.test").await.unwrap_err().contains("UnrecognisedName"));
}

#[tokio::test]
async fn openssl_gets_the_certificate_for_its_kind_of_key_and_speaks_what_is_set() {
    let (site, _backend) = tls_support::site(&["blog.test"]).await;
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let rsa = CertificateParams::new(["blog.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let rsa = Pair { chain: rsa.pem(), key: key.serialize_pem() };
    let ecdsa = certificate(&["blog.test"]);
    let mut tls = app_tls(&["blog.test"], &[&rsa, &ecdsa]);
    set(&site.handle, &[], vec![tls.clone()]);
    let run = async |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        let address = site.https.to_string();
        command.args(["s_client", "-connect", &address]).args(arguments);
        if !arguments.contains(&"-noservername") {
            command.args(["-servername", "blog.test"]);
        }
        let output = within(command.stdin(Stdio::null()).kill_on_drop(true).output()).await.unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        text.concat()
    };
    for (arguments, expected) in [
        (&["-tls1_3"][..], "Peer signature type: ECDSA"),
        (&["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"], "Peer signature type: RSA-PSS"),
        (&["-tls1_2", "-sigalgs", "RSA-PSS+SHA256"], "ECDHE-RSA-AES256-GCM-SHA384"),
        (&["-tls1_2"], "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (&["-tls1_2", "-cipher", "AES128-SHA256"], "no peer certificate available"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], "no peer certificate available"),
        (&["-noservername"], "no peer certificate available"),
    ] {
        let text = run(arguments).await;
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    tls.versions = TlsVersions::Modern;
    set(&site.handle, &[], vec![tls]);
    assert!(run(&["-tls1_2"]).await.contains("no peer certificate available"));
    assert!(run(&["-tls1_3"]).await.contains("TLSv1.3"));
}

#[tokio::test]
async fn keys_are_agreed_on_in_a_way_that_outlives_quantum_computers() {
    let (site, _backend) = tls_support::site(&["blog.test"]).await;
    tls_support::show(&site, &[&certificate(&["blog.test"])]);
    let mut provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519MLKEM768);
    assert_eq!(provider.kx_groups.len(), 1);
    let stream = connect(site.https, "blog.test", client_config_of(provider, &[&TLS13])).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

/// A client that keeps tickets, for one version.
fn returning(version: &'static SupportedProtocolVersion) -> ClientConfig {
    client_config_of(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(), &[version])
}

/// Connects, asks once so that tickets arrive, and says how the hands were shaken.
async fn visit(site: &TlsSite, name: &str, config: &ClientConfig) -> Result<HandshakeKind, String> {
    let mut stream = connect(site.https, name, config.clone()).await?;
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    get(&mut stream, name, "").await;
    Ok(kind)
}

#[tokio::test]
async fn a_session_is_resumed_by_any_worker_with_another_certificate_and_by_the_next_process() {
    let pair = certificate(&["blog.test"]);
    for version in [&TLS13, &TLS12] {
        let (site, _backend) = tls_support::site(&["blog.test"]).await;
        tls_support::show(&site, &[&pair]);
        let client = returning(version);
        assert_eq!(visit(&site, "blog.test", &client).await, Ok(HandshakeKind::Full));
        // Two workers take turns, as the one with fewer connections gets the next.
        let resting = TcpStream::connect(site.https).await.unwrap();
        for _ in 0..6 {
            assert_eq!(visit(&site, "blog.test", &client).await, Ok(HandshakeKind::Resumed));
        }
        drop(resting);
        tls_support::show(&site, &[&certificate(&["blog.test"])]);
        assert_eq!(visit(&site, "blog.test", &client).await, Ok(HandshakeKind::Resumed));

        let (next, _backend) = tls_support::site(&["blog.test"]).await;
        tls_support::show(&next, &[&pair]);
        next.handle.import_ticket_keys(&site.handle.export_ticket_keys()).unwrap();
        assert_eq!(visit(&next, "blog.test", &client).await, Ok(HandshakeKind::Resumed));
        let (stranger, _backend) = tls_support::site(&["blog.test"]).await;
        tls_support::show(&stranger, &[&pair]);
        assert_eq!(visit(&stranger, "blog.test", &client).await, Ok(HandshakeKind::Full));
    }
}

/// An authority, and a client's certificate and key from it.
fn authority(client: &str) -> (ClientAuthority, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = parameters.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, client);
    let certificate = parameters.signed_by(&key, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    (ClientAuthority::from_pem(pem.as_bytes()).unwrap(), certificate, key)
}

fn with_certificate(of: &(ClientAuthority, CertificateDer<'static>, PrivateKeyDer<'static>)) -> ClientConfig {
    tls_support::client_builder().with_client_auth_cert(vec![of.1.clone()], of.2.clone_key()).unwrap()
}

#[tokio::test]
async fn an_app_may_want_certificates_of_its_clients_and_is_told_whose_they_are() {
    let (site, _backends) = two_apps(true).await;
    let default = certificate(&["*.test"]);
    let (ann, mallory) = (authority("ann"), authority("mallory"));
    let mut shop = app_tls(&["shop.test"], &[]);
    shop.clients = ClientCertificates::Required(ann.0.clone());
    set(&site.handle, &[&default], vec![shop.clone()]);

    let forged = "Client-Cert: :AAAA:\r\nX-Client-Cert-Subject: CN=ann\r\nX-Client-Cert-Verify: SUCCESS\r\n\
                  X_Client_Cert_Subject: CN=ann\r\n";
    let mut stream = connect(site.https, "shop.test", with_certificate(&ann)).await.unwrap();
    let seen = get(&mut stream, "shop.test", forged).await;
    assert!(seen.contains("x-client-cert-subject: CN=ann"), "{seen}");
    assert!(seen.contains("client-cert: :MI") && !seen.contains(":AAAA:"), "{seen}");
    assert!(!seen.contains("cert-verify") && !seen.contains("client_cert"), "{seen}");
    // A certificate that is good for one app says nothing on the other one, nor does the way lead there.
    assert!(get(&mut stream, "blog.test", "").await.starts_with("HTTP/1.1 421"));

    for config in [client_config(), with_certificate(&mallory)] {
        let refused = match connect(site.https, "shop.test", config).await {
            // In TLS 1.3 the client is done before the server has seen its certificate.
            Ok(mut stream) => {
                within(stream.read(&mut [0])).await.map(drop).map_err(|error| error.to_string())
            }
            Err(error) => Err(error),
        };
        assert!(refused.is_err());
    }
    let mut stream = connect(site.https, "blog.test", client_config()).await.unwrap();
    let seen = get(&mut stream, "blog.test", forged).await;
    assert!(
        seen.starts_with("HTTP/1.1 200") && !seen.to_lowercase().replace('_', "-").contains("client-cert"),
        "{seen}"
    );
    assert!(get(&mut stream, "shop.test", "").await.starts_with("HTTP/1.1 421"), "past the certificate");
    assert_eq!(site.get("shop.test").await.status(), 421, "in clear text");

    shop.clients = ClientCertificates::Optional(ann.0.clone());
    set(&site.handle, &[&default], vec![shop]);
    assert!(connect(site.https, "shop.test", client_config()).await.is_ok());
}

#[tokio::test]
async fn a_session_is_not_resumed_under_another_rule_for_clients() {
    let (site, _backends) = two_apps(false).await;
    let default = certificate(&["*.test"]);
    let ann = authority("ann");
    set(&site.handle, &[&default], Vec::new());
    let client = client_config();
    assert_eq!(visit(&site, "shop.test", &client).await, Ok(HandshakeKind::Full));
    assert_eq!(visit(&site, "shop.test", &client).await, Ok(HandshakeKind::Resumed));
    let mut shop = app_tls(&["shop.test"], &[]);
    shop.clients = ClientCertificates::Optional(ann.0.clone());
    set(&site.handle, &[&default], vec![shop.clone()]);
    assert_eq!(visit(&site, "shop.test", &client).await, Ok(HandshakeKind::Full));
    // What is known of a client comes back with its ticket.
    let known = with_certificate(&ann);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = connect(site.https, "shop.test", known.clone()).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
        assert!(get(&mut stream, "shop.test", "").await.contains("CN=ann"));
    }
    shop.clients = ClientCertificates::Required(authority("other").0);
    set(&site.handle, &[&default], vec![shop]);
    let refused = match connect(site.https, "shop.test", known).await {
        Ok(mut stream) => {
            assert_ne!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
            within(stream.read(&mut [0])).await.is_err()
        }
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn certificates_change_under_load_without_a_failed_handshake() {
    let (site, _backend) = tls_support::site(&["blog.test"]).await;
    let pairs = [certificate(&["blog.test"]), certificate(&["blog.test"])];
    tls_support::show(&site, &[&pairs[0]]);
    let over = Arc::new(AtomicBool::new(false));
    let visitors = (0..4).map(|_| {
        let (over, address) = (Arc::clone(&over), site.https);
        tokio::spawn(async move {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let mut stream = connect(address, "blog.test", client_config()).await.unwrap();
                assert!(get(&mut stream, "blog.test", "").await.starts_with("HTTP/1.1 200"));
                count += 1;
            }
            count
        })
    });
    let visitors: Vec<_> = visitors.collect();
    let mut kept = connect(site.https, "blog.test", client_config()).await.unwrap();
    for round in 1..=100 {
        let pair = &pairs[round % 2];
        tls_support::show(&site, &[pair]);
        assert_eq!(shown(&site, "blog.test").await.unwrap(), pair.first());
    }
    over.store(true, Ordering::Relaxed);
    for visitor in visitors {
        assert!(visitor.await.unwrap() > 0);
    }
    assert!(get(&mut kept, "blog.test", "").await.starts_with("HTTP/1.1 200"), "what exists goes on");
}

#[tokio::test]
async fn of_too_many_handshakes_the_oldest_goes_and_nobody_waits_for_it() {
    let backend = Backend::echo("blog").await;
    let site = TlsSite::start_with(|settings| {
        settings.workers = std::num::NonZeroUsize::new(1);
        settings.max_handshakes = 3;
        settings.timeouts.handshake = crate::support::PATIENCE * 2;
    });
    let mut routes = crate::support::app("blog", &[&backend]);
    routes.ports.push(port_route(Entrance::Https, &backend));
    site.publish(vec![routes]);
    tls_support::show(&site, &[&certificate(&["blog.test"])]);
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(site.https).await.unwrap());
    }
    assert!(shown(&site, "blog.test").await.is_ok());
    for stream in &mut silent[..2] {
        assert!(matches!(within(stream.read(&mut [0])).await, Ok(0) | Err(_)), "the oldest have gone");
    }
    let mut last = silent.pop().unwrap();
    last.write_all(&[22]).await.unwrap();
    assert!(last.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
}
