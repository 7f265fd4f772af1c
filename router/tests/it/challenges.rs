//! Questions of authorities that issue certificates (ACME): HTTP-01 and TLS-ALPN-01.

use std::collections::HashMap;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use slipway_router::challenges::{ChallengeCertificate, Challenges};

use crate::support::{Backend, Site};
use crate::tls_support::{self, Asked, certificate};

const PATH: &str = "/.well-known/acme-challenge/token-1";

fn http(site: &Site, answers: &[(&str, &str)]) {
    let http = answers.iter().map(|(token, answer)| ((*token).to_owned(), (*answer).to_owned())).collect();
    site.handle.set_challenges(Challenges { http, ..Challenges::default() });
}

#[tokio::test]
async fn a_token_is_answered_on_any_host_and_by_nobody_else() {
    let backend = Backend::echo("blog").await;
    let site = Site::with(&[&backend]);
    let ask = |host: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let site = &site;
        async move { site.ask(&request).await }
    };
    // Before there is a question, such a path is the app's like any other.
    assert_eq!(ask("blog.test", PATH).await.text(), "blog");
    http(&site, &[("token-1", "token-1.thumbprint")]);
    for host in ["blog.test", "not-deployed.test"] {
        let answer = ask(host, PATH).await;
        assert_eq!((answer.status(), answer.text()), (200, "token-1.thumbprint"), "{host}");
    }
    assert_eq!(backend.accepted(), 1);
    for other in ["/.well-known/acme-challenge/token-2", "/.well-known/acme-challenge/token-1/", "/token-1"] {
        assert_eq!(ask("blog.test", other).await.text(), "blog", "{other}");
    }
    http(&site, &[]);
    assert_eq!(ask("blog.test", PATH).await.text(), "blog");
}

#[tokio::test]
async fn a_handshake_for_acme_tls_sees_the_challenge_and_nothing_else_does() {
    let (site, backend) = tls_support::site(&["blog.test"]).await;
    let ordinary = certificate(&["blog.test"]);
    tls_support::show(&site, &[&ordinary]);

    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(["blog.test".to_owned()]).unwrap();
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let made = parameters.self_signed(&key).unwrap();
    let pem = made.pem();
    let challenge = ChallengeCertificate::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let alpn = HashMap::from([("Blog.test".to_owned(), challenge)]);
    site.handle.set_challenges(Challenges { alpn, ..Challenges::default() });

    let seen = site_ask(&site, "blog.test", &[b"acme-tls/1"]).await.unwrap();
    assert_eq!(&seen.shown, made.der());
    assert_eq!(seen.protocol.as_deref(), Some(&b"acme-tls/1"[..]));
    assert!(seen.ended, "the connection carries nothing");
    let seen = site_ask(&site, "blog.test", &[b"http/1.1"]).await.unwrap();
    assert_eq!(seen.shown, ordinary.first());
    // Beside other protocols it is no question (RFC 8737, section 3).
    let seen = site_ask(&site, "blog.test", &[b"acme-tls/1", b"http/1.1"]).await.unwrap();
    assert_eq!(seen.shown, ordinary.first());
    let error = site_ask(&site, "other.test", &[b"acme-tls/1"]).await.unwrap_err();
    assert!(error.contains("UnrecognisedName"), "{error}");

    site.handle.set_challenges(Challenges::default());
    let error = site_ask(&site, "blog.test", &[b"acme-tls/1"]).await.unwrap_err();
    assert!(error.contains("UnrecognisedName"), "{error}");
    assert_eq!(backend.accepted(), 0);
}

async fn site_ask(site: &tls_support::TlsSite, name: &str, protocols: &[&[u8]]) -> Result<Asked, String> {
    tls_support::ask(site.https, name, protocols).await
}
