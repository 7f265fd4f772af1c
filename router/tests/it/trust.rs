//! Who asks, when proxies stand in front: what the app is told, and what the log says.

use slipway_router::RouterHandle;
use slipway_router::trust::{ForwardedHeader, Trust};

use super::support::{Backend, Head, Site, Wire, app};

/// A router that trusts these proxies, and an app whose answers are the heads that it got.
async fn trusting(trust: Trust) -> (Site, Backend) {
    let backend = Backend::start("blog", reflect).await;
    let site = Site::start_with(|settings| settings.trust = trust);
    site.publish(vec![app("blog", &[&backend])]);
    (site, backend)
}

/// Answers each request with its own head.
pub async fn reflect(mut wire: Wire) {
    while let Some(head) = wire.try_head().await {
        wire.body(&head).await;
        let mut text = format!("{}\r\n", head.line);
        for (name, value) in &head.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
    }
}

/// The head that an answer of `reflect` holds.
pub fn reflected(text: &str) -> Head {
    let mut lines = text.split_terminator("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Head { line, headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
}

async fn seen(site: &Site, headers: &str) -> Head {
    let answer = site.ask(&format!("GET / HTTP/1.1\r\nHost: blog.test\r\n{headers}\r\n")).await;
    assert_eq!(answer.status(), 200);
    reflected(answer.text())
}

fn local(header: ForwardedHeader) -> Trust {
    Trust { proxies: "127.0.0.0/8 10.0.0.0/8".parse().unwrap(), header, ..Trust::default() }
}

const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.0.0.3\r\nX-Forwarded-Proto: https\r\n\
     X-Forwarded-Host: www.example.com\r\nX-Real-Ip: 6.6.6.6\r\nX-Forwarded-Ssl: on\r\n\
     Forwarded: for=6.6.6.6\r\nX-Request-Start: t=123\r\n";

#[tokio::test]
async fn of_a_stranger_nothing_is_believed() {
    let (mut site, _backend) = trusting(Trust::default()).await;
    let head = seen(&site, CLAIMS).await;
    assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(head.all("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(head.all("x-forwarded-host"), ["blog.test"]);
    assert_eq!(head.all("x-forwarded-port"), [site.address.port().to_string()]);
    assert_ne!(head.get("x-request-start"), Some("t=123"));
    for name in ["forwarded", "x-forwarded-ssl", "x-forwarded-prefix", "via"] {
        assert!(head.get(name).is_none(), "{name}");
    }
    let record = site.record().await;
    assert_eq!((record.client.to_string().as_str(), record.scheme), ("127.0.0.1", "http"));
}

#[tokio::test]
async fn a_trusted_proxys_word_reaches_the_app_and_the_log() {
    let (mut site, _backend) = trusting(local(ForwardedHeader::XForwardedFor)).await;
    let head = seen(&site, CLAIMS).await;
    assert_eq!(head.all("x-forwarded-for"), ["192.0.2.7, 10.0.0.3, 127.0.0.1"]);
    assert_eq!(head.all("x-real-ip"), ["192.0.2.7"]);
    assert_eq!(head.all("x-forwarded-proto"), ["https"]);
    assert_eq!(head.all("x-forwarded-host"), ["www.example.com"]);
    assert_eq!(head.all("x-forwarded-port"), ["443"]);
    assert_eq!(head.all("x-request-start"), ["t=123"]);
    assert_eq!(head.all("host"), ["blog.test"]);
    assert!(head.get("forwarded").is_none() && head.get("x-forwarded-ssl").is_none());
    let record = site.record().await;
    assert_eq!((record.client.to_string().as_str(), record.scheme), ("192.0.2.7", "https"));
    assert_eq!(seen(&site, "X-Request-Start: soon\r\n").await.get("x-request-start").unwrap().len(), 15);
}

#[tokio::test]
async fn forwarded_is_read_and_written_where_it_is_asked_for() {
    let (site, _backend) = trusting(local(ForwardedHeader::Forwarded)).await;
    let head = seen(
        &site,
        "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
         Forwarded: For=\"[2001:db8::1]:4711\";proto=https;host=www.example.com\r\n",
    )
    .await;
    assert_eq!(head.all("x-forwarded-for"), ["2001:db8::1, 127.0.0.1"]);
    assert_eq!(head.all("x-forwarded-proto"), ["https"]);
    let expected = "for=\"[2001:db8::1]\";proto=https;host=\"www.example.com\", for=127.0.0.1;proto=http";
    assert_eq!(head.all("forwarded"), [expected]);
    // A quote that never ends hides the proxy's own word, and then nobody's is taken.
    let head = seen(&site, "Forwarded: for=\"6.6.6.6, for=192.0.2.1\r\n").await;
    assert_eq!(head.all("x-real-ip"), ["127.0.0.1"]);
}

#[tokio::test]
async fn trust_can_be_given_and_taken_while_the_router_runs() {
    let (site, _backend) = trusting(Trust::default()).await;
    let handle: &RouterHandle = &site.handle;
    let real =
        async || seen(&site, "X-Forwarded-For: 192.0.2.7\r\n").await.get("x-real-ip").unwrap().to_owned();
    assert_eq!(real().await, "127.0.0.1");
    handle.set_trust(local(ForwardedHeader::XForwardedFor));
    assert_eq!(real().await, "192.0.2.7");
    handle.set_trust(Trust::default());
    assert_eq!(real().await, "127.0.0.1");
}

#[tokio::test]
async fn a_v4_client_of_a_socket_for_both_families_is_a_v4_client() {
    let backend = Backend::start("blog", reflect).await;
    let mut site = Site::start_with(|settings| {
        settings.listen = "[::]:0".parse().unwrap();
        settings.trust = local(ForwardedHeader::XForwardedFor);
    });
    site.publish(vec![app("blog", &[&backend])]);
    let mut wire = Wire::connect(format!("127.0.0.1:{}", site.address.port()).parse().unwrap()).await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\nX-Forwarded-For: ::ffff:192.0.2.7\r\n\r\n").await;
    let head = reflected(wire.answer().await.text());
    assert_eq!(head.all("x-forwarded-for"), ["192.0.2.7, 127.0.0.1"]);
    assert_eq!(site.record().await.client.to_string(), "192.0.2.7");
}

#[tokio::test]
async fn a_request_is_followed_by_an_id_and_a_trace() {
    let (mut site, _backend) = trusting(Trust::default()).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let request = format!("X-Request-Id: {id}\r\nTraceparent: {trace}\r\nTracestate: a=b\r\n");
    let head = seen(&site, &request).await;
    assert_eq!((head.get("x-request-id"), head.get("traceparent")), (Some(id), Some(trace)));
    assert_eq!(head.get("tracestate"), Some("a=b"));
    assert_eq!(site.record().await.request_id, id);
    // What is no id and no trace is replaced; the new trace has the digits of the new id.
    let head = seen(&site, "X-Request-Id: <script>\r\nTraceparent: 00-x\r\nTracestate: a=b\r\n").await;
    let id = head.get("x-request-id").unwrap().replace('-', "");
    assert_eq!(id.len(), 32);
    let trace: Vec<&str> = head.get("traceparent").unwrap().split('-').collect();
    assert_eq!((trace[0], trace[1], trace[2].len(), trace[3]), ("00", id.as_str(), 16, "01"));
    assert!(head.get("tracestate").is_none());
    assert_eq!(site.record().await.request_id.to_str().unwrap().replace('-', ""), id);
}

#[tokio::test]
async fn a_load_balancer_can_ask_the_router_itself() {
    let site = Site::start();
    let path = "/.well-known/slipway/health";
    let ask = async |method: &str, headers: &str| {
        let mut wire = site.connect().await;
        wire.send(format!("{method} {path} HTTP/1.0\r\n{headers}\r\n")).await;
        wire.head().await
    };
    assert_eq!(ask("GET", "").await.status(), 503, "it knows no routes yet");
    site.publish(vec![app("blog", &[])]);
    for headers in ["", "Host: anything\r\n", "Host: blog.test\r\n"] {
        assert_eq!(ask("GET", headers).await.status(), 200, "{headers}");
        assert_eq!(ask("HEAD", headers).await.status(), 200, "{headers}");
    }
    assert_eq!(ask("POST", "Host: anything\r\n").await.status(), 404);
    // It is a request like others where it breaks the rules.
    assert_eq!(ask("GET", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n").await.status(), 400);
}

#[tokio::test]
async fn a_limit_of_connections_counts_clients_and_no_trusted_proxy() {
    let most = std::num::NonZeroU32::new(1);
    let site = Site::start_with(|settings| {
        settings.max_connections_per_address = most;
        settings.trust = local(ForwardedHeader::XForwardedFor);
    });
    site.publish(vec![app("blog", &[])]);
    let mut wires = vec![site.connect().await, site.connect().await, site.connect().await];
    for wire in &mut wires {
        wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.status(), 503);
    }
}
