//! How requests are spread over instances.

use std::time::Duration;

use super::stage::{Stage, backends};
use super::support::{Site, app};

#[tokio::test]
async fn a_slow_instance_gets_a_small_share() {
    let (slow, quick, other) = (Stage::slow(Duration::from_millis(300)), Stage::quick(), Stage::quick());
    let all = backends(&[&quick, &slow, &other]).await;
    let site = Site::start();
    site.publish(vec![app("blog", &all.iter().collect::<Vec<_>>())]);
    let clients = (0..6).map(|_| async {
        let mut wire = site.connect().await;
        for _ in 0..50 {
            wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
            assert_eq!(wire.answer().await.status(), 200);
        }
    });
    futures_util::future::join_all(clients).await;
    let (one, two) = (quick.count(), other.count());
    assert_eq!(one + two + slow.count(), 300);
    assert!(slow.count() < 30, "of 300 requests the slow one got {}", slow.count());
    assert!(slow.count() > 0, "it has its share");
    assert!(one > 30 && two > 30, "the quick ones got {one} and {two}");
    let latency = |label: &str| {
        let all = site.handle.instances();
        all.into_iter().find(|instance| &*instance.label == label).unwrap().latency.unwrap()
    };
    assert!(latency("web.2") > latency("web.1") && latency("web.2") > latency("web.3"));
}

#[tokio::test]
async fn what_is_known_of_an_instance_outlives_a_table_that_keeps_it() {
    let (slow, quick) = (Stage::slow(Duration::from_millis(20)), Stage::quick());
    let all = backends(&[&quick, &slow]).await;
    let site = Site::start();
    let table = |site: &Site| site.publish(vec![app("blog", &[&all[0], &all[1]]), app("other", &[])]);
    table(&site);
    while site.handle.instances().iter().any(|instance| instance.latency.is_none()) {
        site.get("blog.test").await;
    }
    table(&site);
    assert!(site.handle.instances().iter().all(|instance| instance.latency.is_some()));
}
