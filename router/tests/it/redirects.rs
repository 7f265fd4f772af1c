//! Where requests are sent instead: raw requests, whole locations.

use slipway_router::policy::Policy;
use slipway_router::policy::headers::Hsts;
use slipway_router::policy::redirects::{Redirects, Rule};
use slipway_router::trust::Trust;

use super::support::{Answer, Backend, Site, app_with, host};
use super::trust::reflect;

/// An app on two hosts; the peer is a trusted proxy.
async fn site(redirects: Redirects) -> (Site, Backend) {
    let backend = Backend::start("blog", reflect).await;
    let trust = Trust { proxies: "127.0.0.1".parse().unwrap(), ..Trust::default() };
    let site = Site::start_with(|settings| settings.trust = trust);
    let mut blog = app_with("blog", &[&backend], |policy: &mut Policy| {
        policy.redirects = redirects;
        let max_age = std::time::Duration::from_secs(600);
        policy.headers.hsts = Some(Hsts { max_age, include_subdomains: false, preload: false });
    });
    blog.hosts.extend([host("www.blog.test"), host("[2001:db8::1]"), host("192.0.2.1")]);
    site.publish(vec![blog]);
    (site, backend)
}

async fn ask(site: &Site, line: &str, headers: &str) -> Answer {
    site.ask(&format!("{line} HTTP/1.1\r\n{headers}\r\n")).await
}

/// The status and the location.
fn moved(answer: &Answer) -> (u16, &str) {
    (answer.status(), answer.head.get("location").unwrap_or_default())
}

fn everything() -> Redirects {
    let rule = |from, to, status| Rule::new(from, to, status).unwrap();
    Redirects {
        https: Some(443),
        https_not_for: Vec::new(),
        canonical_host: Some("www.blog.test".parse().unwrap()),
        rules: vec![
            rule("/old", "/new", 302),
            rule("/docs/*", "https://docs.example/v2/*", 307),
            rule("/self", "https://www.blog.test:444/self", 301),
        ],
    }
}

#[tokio::test]
async fn scheme_host_and_path_are_put_right_in_one_hop() {
    let (site, backend) = site(everything()).await;
    let cases = [
        ("GET /a//b/../%2f?q=%20&x=[]", "blog.test", 301, "https://www.blog.test/a//b/../%2f?q=%20&x=[]"),
        ("OPTIONS /", "WWW.blog.test.:8080", 308, "https://www.blog.test/"),
        ("POST /form?a", "blog.test", 308, "https://www.blog.test/form?a"),
        ("DELETE /", "[2001:DB8::1]", 308, "https://www.blog.test/"),
        ("GET /old?a=b", "blog.test", 302, "https://www.blog.test/new?a=b"),
        ("GET /docs/x/%41?y", "blog.test", 307, "https://docs.example/v2/x/%41?y"),
        ("GET //evil.example/%2f..", "blog.test", 301, "https://www.blog.test//evil.example/%2f.."),
        ("GET /\\evil.example", "blog.test", 301, "https://www.blog.test/\\evil.example"),
        ("GET http://blog.test?q", "blog.test", 301, "https://www.blog.test/?q"),
    ];
    for (line, host, status, location) in cases {
        let request =
            if line.starts_with("HEAD") { line.replace("HEAD", "OPTIONS") } else { line.to_owned() };
        let status = if line.starts_with("HEAD") { 308 } else { status };
        let answer = ask(&site, &request, &format!("Host: {host}\r\nContent-Length: 0\r\n")).await;
        assert_eq!(moved(&answer), (status, location), "{line}");
        assert!(answer.head.get("x-request-id").is_some());
        assert!(answer.head.get("strict-transport-security").is_none(), "never in clear text");
    }
    let mut wire = site.connect().await;
    wire.send("HEAD /x HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 301);
    assert_eq!(backend.accepted(), 0);
}

#[tokio::test]
async fn what_is_where_it_belongs_stays_there() {
    let (site, _backend) = site(everything()).await;
    let https = "X-Forwarded-Proto: https\r\n";
    let answer = ask(&site, "GET /", &format!("Host: www.blog.test\r\n{https}")).await;
    assert_eq!(answer.status(), 200, "a proxy that ended TLS is believed, or this would be a loop");
    assert_eq!(answer.head.get("strict-transport-security"), Some("max-age=600"));
    let answer = ask(&site, "GET /", &format!("Host: blog.test:444\r\n{https}")).await;
    assert_eq!(moved(&answer), (301, "https://www.blog.test:444/"));
    // A proxy that asks by a name of its own says by which one it was asked.
    let internal = format!("Host: blog.test\r\nX-Forwarded-Host: www.blog.test\r\n{https}");
    assert_eq!(ask(&site, "GET /", &internal).await.status(), 200);
    // A rule that leads to where the request is already is not followed.
    let answer = ask(&site, "GET /self", &format!("Host: www.blog.test:444\r\n{https}")).await;
    assert_eq!(answer.status(), 200);
    for host in ["blog.test", "www.blog.test"] {
        let answer = ask(&site, "GET /.well-known/acme-challenge/x", &format!("Host: {host}\r\n")).await;
        assert_eq!(answer.status(), 200, "the app answers it, in clear text and on every host");
        let answer = ask(&site, "GET /.well-known/slipway/health", &format!("Host: {host}\r\n")).await;
        assert_eq!((answer.status(), answer.text()), (200, "ok\n"));
    }
}

#[tokio::test]
async fn another_port_for_https_and_addresses_as_hosts() {
    let (site, _backend) = site(Redirects { https: Some(8443), ..Redirects::default() }).await;
    for (host, location) in [
        ("blog.test:80", "https://blog.test:8443/"),
        ("[2001:db8:0::1]:80", "https://[2001:db8::1]:8443/"),
        ("192.0.2.1", "https://192.0.2.1:8443/"),
    ] {
        let answer = ask(&site, "GET /", &format!("Host: {host}\r\n")).await;
        assert_eq!(moved(&answer), (301, location), "{host}");
    }
}

#[tokio::test]
async fn a_host_without_a_certificate_is_left_in_clear_text() {
    let https_not_for = vec!["www.blog.test".parse().unwrap()];
    let (site, _backend) = site(Redirects { https: Some(443), https_not_for, ..Redirects::default() }).await;
    let answer = ask(&site, "GET /", "Host: blog.test\r\n").await;
    assert_eq!(moved(&answer), (301, "https://blog.test/"));
    assert_eq!(ask(&site, "GET /", "Host: www.blog.test\r\n").await.status(), 200);
}
