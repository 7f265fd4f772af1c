//! Requests that are sent a second time, and those that are not.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use slipway_router::policy::Policy;

use super::metrics::value;
use super::stage::{Stage, backends};
use super::support::{Backend, Site, app_with};

fn site(backends: &[Backend], change: impl FnOnce(&mut Policy)) -> Site {
    let site = Site::start_with(|settings| settings.workers = NonZeroUsize::new(1));
    let change = |policy: &mut Policy| {
        policy.balance.eject_after = None;
        change(policy);
    };
    site.publish(vec![app_with("blog", &backends.iter().collect::<Vec<_>>(), change)]);
    site
}

fn put(length: usize) -> String {
    format!("PUT / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length))
}

#[tokio::test]
async fn a_small_body_is_sent_again_where_the_method_allows_it() {
    let stage = Stage::closing();
    let all = backends(&[&stage]).await;
    let site = site(&all, |_| {});
    assert_eq!(site.get("blog.test").await.status(), 200);
    let answer = site.ask(&put(60_000)).await;
    assert_eq!((answer.status(), answer.body.len()), (200, "web.1".len() + 60_000));
    assert_eq!(stage.count(), 3, "the PUT went out twice");
    assert_eq!(value(&site, "retries_total{app=\"blog\"}"), 1.0);
    // One whose length nobody knows is kept as it passes.
    let chunked =
        "DELETE / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    assert_eq!(site.ask(chunked).await.text(), "web.1hi");
    assert_eq!(stage.count(), 5);
    let large = site.ask(&put(70_000)).await;
    assert_eq!((large.status(), large.code()), (502, Some("H13")));
    let post = "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(site.ask(post).await.status(), 200, "on a connection of its own");
    assert_eq!(site.ask(post).await.code(), Some("H13"));
    assert_eq!(value(&site, "retries_total{app=\"blog\"}"), 2.0);
    assert_eq!(value(&site, "received_bytes_total{app=\"blog\"}"), 60_000.0 + 2.0 + 70_000.0 + 2.0 + 2.0);
}

#[tokio::test]
async fn an_upload_that_has_only_begun_goes_on_elsewhere() {
    let stage = Stage::closing();
    let all = backends(&[&stage]).await;
    // This one reads the head of its second request, and closes before the body is there.
    let hasty = Backend::start_at("127.0.0.2:0".parse().unwrap(), "web.1", |mut wire| async move {
        for first in [true, false] {
            let Some(head) = wire.try_head().await else { return };
            if !first {
                return;
            }
            let body = wire.body(&head).await;
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
            wire.send(&body).await;
        }
    })
    .await;
    drop(all);
    let site = site(std::slice::from_ref(&hasty), |_| {});
    assert_eq!(site.get("blog.test").await.status(), 200);
    let mut wire = site.connect().await;
    wire.send("PUT / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 6\r\n\r\nabc").await;
    super::support::until(|| hasty.accepted() == 2).await;
    wire.send("def").await;
    assert_eq!(wire.answer().await.text(), "abcdef");
}

#[tokio::test]
async fn what_was_lost_on_one_instance_is_sent_to_another() {
    let (dying, well) = (Stage::closing(), Stage::quick());
    let all = backends(&[&dying, &well]).await;
    let site = site(&all, |_| {});
    let again = || value(&site, "retries_total{app=\"blog\"}");
    // How many go to the dying one is up to the balance: it is the slower one where it has to be connected to again.
    for number in 0.. {
        let answer = site.ask(&format!("GET /{number} HTTP/1.1\r\nHost: blog.test\r\n\r\n")).await;
        assert_eq!(answer.status(), 200);
        if number >= 100 && again() > 0.0 {
            break;
        }
    }
    let seen = dying.seen();
    let different: HashSet<_> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "one came twice: {seen:?}");
    assert!(well.count() as f64 >= again());
}

#[tokio::test]
async fn retries_can_be_switched_off_and_never_concern_upgrades() {
    let stage = Stage::closing();
    let all = backends(&[&stage]).await;
    let site_without = site(&all, |policy| policy.balance.retries = false);
    assert_eq!(site_without.get("blog.test").await.status(), 200);
    assert_eq!(site_without.get("blog.test").await.code(), Some("H13"));
    let site = site(&all, |_| {});
    assert_eq!(site.get("blog.test").await.status(), 200);
    let upgrade = "GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(site.ask(upgrade).await.code(), Some("H13"));
    assert_eq!(value(&site, "retries_total{app=\"blog\"}"), 0.0);
}

#[tokio::test]
async fn an_outage_is_not_multiplied() {
    let stage = Stage::closing();
    let all = backends(&[&stage]).await;
    let site = site(&all, |_| {});
    let mut wire = site.connect().await;
    let mut answered = 0;
    // Every request but the first meets a connection that is just being closed.
    loop {
        wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
        let answer = wire.answer().await;
        if answer.code() == Some("H13") {
            break;
        }
        answered += 1;
        assert!(answered < 5_000, "there is no end to it");
    }
    assert!(answered > 100, "there is a budget: {answered}");
}
