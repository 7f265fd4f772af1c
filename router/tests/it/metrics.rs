//! What is counted: exactly what was sent.

use std::sync::Arc;

use slipway_router::table::AppRoutes;

use super::stage::{Stage, backends};
use super::support::{Backend, Site, app, until};
use super::upgrade;

/// The value of a metric, by its name without the prefix and with its labels.
pub fn value(site: &Site, name: &str) -> f64 {
    find(site, name).unwrap_or_else(|| panic!("there is no {name} in {}", site.handle.metrics()))
}

fn find(site: &Site, name: &str) -> Option<f64> {
    let text = site.handle.metrics();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("slipway_router_")?.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn requests_are_counted_by_class_and_code_whichever_worker_served_them() {
    let stage = Stage::quick();
    let all = backends(&[&stage]).await;
    let site = Site::start();
    site.publish(vec![app("blog", &[&all[0]]), app("empty", &[])]);
    let requests = |count: usize, status: u16| {
        let (site, stage) = (&site, &stage);
        async move {
            stage.answer_with(status);
            let clients = (0..4).map(|_| async {
                let mut wire = site.connect().await;
                for _ in 0..count / 4 {
                    wire.send("POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 3\r\n\r\nabc").await;
                    assert_eq!(wire.answer().await.status(), status);
                }
            });
            futures_util::future::join_all(clients).await;
        }
    };
    requests(400, 200).await;
    requests(40, 404).await;
    requests(4, 500).await;
    for _ in 0..3 {
        assert_eq!(site.get("empty.test").await.code(), Some("H14"));
        assert_eq!(site.get("nobody.test").await.status(), 404);
    }
    // An answer is counted when its last byte was handed over, which may be a moment after it arrived.
    let requests = |class: &str| value(&site, &format!("requests_total{{app=\"blog\",class=\"{class}\"}}"));
    until(|| requests("2xx") == 400.0 && requests("4xx") == 40.0 && requests("5xx") == 4.0).await;
    until(|| find(&site, "errors_total{app=\"empty\",code=\"H14\"}") == Some(3.0)).await;
    until(|| find(&site, "errors_total{app=\"\",code=\"unknown-host\"}") == Some(3.0)).await;
    assert_eq!(value(&site, "requests_total{app=\"\",class=\"4xx\"}"), 3.0);
    assert_eq!(value(&site, "received_bytes_total{app=\"blog\"}"), 444.0 * 3.0);
    assert_eq!(value(&site, "sent_bytes_total{app=\"blog\"}"), 444.0 * 8.0);
    for histogram in ["service", "first_byte"] {
        assert_eq!(value(&site, &format!("{histogram}_seconds_count{{app=\"blog\"}}")), 444.0);
        let all = format!("{histogram}_seconds_bucket{{le=\"+Inf\",app=\"blog\"}}");
        assert_eq!(value(&site, &all), 444.0);
    }
    let connections = value(&site, "connect_seconds_count{app=\"blog\"}");
    assert_eq!(connections, all[0].accepted() as f64);
    until(|| value(&site, "in_flight_requests{app=\"blog\",instance=\"web.1\"}") == 0.0).await;
    assert!(find(&site, "latency_seconds{app=\"blog\",instance=\"web.1\"}").is_some());
}

#[tokio::test]
async fn counters_outlive_tables_and_go_with_their_app() {
    let backend = Backend::echo("blog").await;
    let site = Site::with(&[&backend]);
    assert_eq!(site.get("blog.test").await.status(), 200);
    let counted = "requests_total{app=\"blog\",class=\"2xx\"}";
    until(|| value(&site, counted) == 1.0).await;
    site.publish(vec![app("blog", &[&backend]), app("other", &[&backend])]);
    assert_eq!(value(&site, counted), 1.0);
    site.publish(vec![app("other", &[&backend])]);
    assert_eq!(find(&site, counted), None);
    site.publish(vec![app("blog", &[&backend])]);
    assert_eq!(value(&site, counted), 0.0, "another app of that name");
}

#[tokio::test]
async fn what_is_open_is_counted_while_it_is() {
    let backend = upgrade::websocket("blog").await;
    let site = Site::with(&[&backend]);
    let idle = site.connect().await;
    until(|| value(&site, "connections{kind=\"plain\"}") == 1.0).await;
    drop(idle);
    until(|| value(&site, "connections{kind=\"plain\"}") == 0.0).await;
    let wire = upgrade::open(&site).await;
    until(|| value(&site, "websockets{app=\"blog\"}") == 1.0).await;
    assert_eq!(value(&site, "in_flight_requests{app=\"blog\",instance=\"blog\"}"), 1.0);
    drop(wire);
    until(|| value(&site, "websockets{app=\"blog\"}") == 0.0).await;
    assert_eq!(value(&site, "connections_accepted_total{kind=\"plain\"}"), 2.0);
    assert_eq!(
        value(&site, "service_seconds_count{app=\"blog\"}"),
        0.0,
        "a tunnel lasts as long as it lasts"
    );
    assert!(site.handle.drain(&[backend.id()], super::support::PATIENCE).await.is_complete());
    assert_eq!(value(&site, "drains_ended_total{result=\"complete\"}"), 1.0);
}

#[tokio::test]
async fn the_text_is_what_prometheus_reads() {
    let site = Site::start();
    site.publish(vec![AppRoutes { app: Arc::from("a\"b"), ..app("blog", &[]) }]);
    let text = site.handle.metrics();
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("\nslipway_router_requests_total{app=\"a\\\"b\",class=\"2xx\"} 0\n"), "{text}");
    insta::assert_snapshot!(
        text.lines().filter(|line| line.starts_with("# TYPE")).collect::<Vec<_>>().join("\n")
    );
}
