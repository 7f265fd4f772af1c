//! Which app a request reaches, and what it is told where it reaches none.

use std::net::IpAddr;
use std::time::Duration;

use slipway_router::policy::Policy;
use slipway_router::settings::RouterSettings;
use slipway_router::table::{AppState, Entrance, TableError, TableSpec};

use super::support::{Backend, Site, Wire, app, app_with, host, port_route, until};

#[tokio::test]
async fn each_host_reaches_its_own_app() {
    let (blog, staging) = (Backend::echo("blog").await, Backend::echo("staging").await);
    let site = Site::start();
    let mut wild = app("blog-staging", &[&staging]);
    wild.hosts = vec![host("*.test")];
    site.publish(vec![app("blog", &[&blog]), wild]);
    for host in ["blog.test", "BLOG.Test", "blog.test.", "blog.test:8080", "Blog.test.:1"] {
        assert_eq!(site.get(host).await.text(), "blog", "{host}");
    }
    for host in ["blog-staging.test", "log.test", "xblog.test"] {
        assert_eq!(site.get(host).await.text(), "staging", "{host}");
    }
}

#[tokio::test]
async fn an_unknown_host_never_shows_an_app() {
    let blog = Backend::echo("blog").await;
    let site = Site::with(&[&blog]);
    for host in
        ["test", "other.example", "blog", "a.blog.test", "127.0.0.1", "[::1]:80", "xn--bcher-kva.test"]
    {
        let answer = site.get(host).await;
        assert_eq!((answer.status(), answer.code()), (404, Some("unknown-host")), "{host}");
        assert!(!answer.text().contains("blog"), "{}", answer.text());
        assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    }
    assert_eq!(blog.accepted(), 0);
}

#[tokio::test]
async fn a_program_gets_its_error_as_json() {
    let site = Site::with(&[]);
    let answer = site.ask("GET / HTTP/1.1\r\nHost: nobody\r\nAccept: application/json\r\n\r\n").await;
    assert_eq!(answer.head.get("content-type"), Some("application/json"));
    let page: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(page["error"], "unknown-host");
    assert_eq!(page["request_id"], answer.head.get("x-request-id").unwrap());
}

#[tokio::test]
async fn an_app_without_instances_says_why() {
    let site = Site::start_with(|settings| settings.waiting.time = Duration::from_millis(50));
    let before = site.get("blog.test").await;
    assert_eq!((before.status(), before.code()), (503, Some("H20")), "nothing is published yet");
    for (state, code) in [
        (AppState::Running, "H14"),
        (AppState::Stopped, "H14"),
        (AppState::Starting, "H20"),
        (AppState::Crashed, "H10"),
        (AppState::NeverDeployed, "H81"),
    ] {
        let mut blog = app("blog", &[]);
        blog.state = state;
        site.publish(vec![blog]);
        let answer = site.get("blog.test").await;
        assert_eq!((answer.status(), answer.code()), (503, Some(code)), "{state:?}");
        assert!(answer.head.get("retry-after").is_some(), "{state:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_taken_leaves_the_table_as_it_was() {
    let blog = Backend::echo("blog").await;
    let site = Site::with(&[&blog]);
    let mut thief = app("thief", &[]);
    thief.hosts = app("blog", &[]).hosts;
    let error = site.handle.publish(&TableSpec { apps: vec![app("blog", &[&blog]), thief] }).unwrap_err();
    assert!(matches!(error, TableError::PlaceTaken { ref owner, .. } if &**owner == "blog"));
    assert_eq!(site.get("blog.test").await.text(), "blog");
}

#[tokio::test]
async fn a_new_table_holds_for_connections_that_are_open_already() {
    let (old, new) = (Backend::echo("old").await, Backend::echo("new").await);
    let site = Site::with(&[&old]);
    let mut wire = site.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "old");
    site.publish(vec![app("blog", &[&new])]);
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "new");
}

#[tokio::test]
async fn an_instance_that_refuses_is_passed_over() {
    let gone = Backend::refusing().await;
    let port = gone.address.port();
    let alive = Backend::echo_at(format!("127.0.0.2:{port}").parse().unwrap(), "alive").await;
    let site = Site::with(&[&gone, &alive]);
    for _ in 0..20 {
        // A POST as well: nothing of it was sent to the instance that refused.
        let answer = site.ask("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(answer.text(), "alivehi");
    }
}

#[tokio::test]
async fn when_all_refuse_the_client_is_told() {
    let gone = Backend::refusing().await;
    let site = Site::start_with(|settings| settings.waiting.time = Duration::from_millis(50));
    site.publish(vec![app("blog", &[&gone])]);
    // The first one waits whether it comes back, the second one knows already that it does not.
    for _ in 0..2 {
        let answer = site.get("blog.test").await;
        assert_eq!((answer.status(), answer.code()), (502, Some("H21")));
    }
}

#[tokio::test]
async fn requests_go_to_all_instances_and_mostly_to_the_quick_ones() {
    let one = Backend::echo("one").await;
    let two = Backend::echo_at(format!("127.0.0.2:{}", one.address.port()).parse().unwrap(), "two").await;
    let site = Site::with(&[&one, &two]);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..60 {
        *seen.entry(site.get("blog.test").await.text().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[tokio::test]
async fn connections_to_instances_are_used_again() {
    let blog = Backend::echo("blog").await;
    let site =
        Site::start_with(|settings: &mut RouterSettings| settings.workers = std::num::NonZeroUsize::new(1));
    site.publish(vec![app("blog", &[&blog])]);
    for _ in 0..10 {
        // A client connection each time: the pool is the worker's, not the client's.
        assert_eq!(site.get("blog.test").await.text(), "blog");
    }
    assert_eq!(blog.accepted(), 1);
}

#[tokio::test]
async fn resting_connections_are_closed_before_the_app_would_do_it() {
    let (ended, mut saw_end) = tokio::sync::mpsc::unbounded_channel();
    let blog = Backend::start("blog", move |mut wire| {
        let ended = ended.clone();
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            wire.ended().await;
            ended.send(()).unwrap();
        }
    })
    .await;
    let site = Site::start();
    let hasty = |policy: &mut Policy| policy.timeouts.upstream_idle = Duration::from_millis(50);
    site.publish(vec![app_with("blog", &[&blog], hasty)]);
    assert_eq!(site.get("blog.test").await.status(), 200);
    super::support::within(saw_end.recv()).await.unwrap();
}

/// A port that nobody uses at this moment.
async fn free_port() -> u16 {
    Backend::refusing().await.address.port()
}

#[tokio::test]
async fn further_ports_open_and_close_with_the_table() {
    let blog = Backend::echo("blog").await;
    let site = Site::start();
    let port = free_port().await;
    let extra = format!("127.0.0.1:{port}").parse().unwrap();
    let mut with_port = app("blog", &[&blog]);
    with_port.ports = vec![port_route(Entrance::Port(port), &blog)];
    let published = site.publish(vec![with_port.clone()]);
    assert!(published.unbound.is_empty(), "{published:?}");
    let mut wire = Wire::connect(extra).await;
    wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "blog");
    // It is that port's app only; the main port knows nothing of it.
    assert_eq!(site.get("blog.test").await.code(), Some("unknown-host"));
    site.publish(vec![app("blog", &[&blog])]);
    until(|| std::net::TcpStream::connect(extra).is_err()).await;
    site.publish(vec![with_port]);
    assert_eq!(Wire::connect(extra).await.stream.peer_addr().unwrap(), extra);
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_and_tried_again() {
    let blog = Backend::echo("blog").await;
    let site = Site::start();
    let taken = Backend::echo("taken").await;
    let mut with_port = app("blog", &[&blog]);
    let entrance = Entrance::Port(taken.address.port());
    with_port.ports.push(port_route(entrance, &blog));
    let published = site.publish(vec![with_port.clone()]);
    assert_eq!(published.unbound.len(), 1);
    assert_eq!(published.unbound[0].port, taken.address.port());
    assert_eq!(site.get("blog.test").await.text(), "blog", "the rest of the table is in force");
    let taken = taken.stop().await;
    let published = site.publish(vec![with_port]);
    assert!(published.unbound.is_empty(), "{published:?}");
    assert_eq!(Wire::connect(taken.address).await.stream.peer_addr().unwrap(), taken.address);
}

#[tokio::test]
async fn a_listener_on_all_addresses_takes_both_families() {
    let blog = Backend::start("blog", |mut wire| async move {
        let head = wire.head().await;
        let client = head.get("x-forwarded-for").unwrap().to_owned();
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{client}", client.len())).await;
    })
    .await;
    let site = Site::start_with(|settings| settings.listen = "[::]:0".parse().unwrap());
    site.publish(vec![app("blog", &[&blog])]);
    for client in ["127.0.0.1", "::1"] {
        let mut wire = Wire::connect((client.parse::<IpAddr>().unwrap(), site.address.port()).into()).await;
        wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.text(), client);
    }
}
