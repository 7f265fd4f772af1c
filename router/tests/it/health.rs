//! Instances that fail, and what becomes of them.

use std::num::NonZeroU32;

use slipway_router::policy::Policy;
use slipway_router::status::Condition;

use super::metrics::value;
use super::stage::{CLOSE, Stage, backends};
use super::support::{Site, app_with, until};

fn after_three(policy: &mut Policy) {
    policy.balance.eject_after = NonZeroU32::new(3);
}

fn condition(site: &Site, label: &str) -> Condition {
    let all = site.handle.instances();
    all.into_iter().find(|instance| &*instance.label == label).unwrap().condition
}

#[tokio::test]
async fn an_instance_that_fails_is_left_alone_and_tried_again_by_one_request() {
    let (bad, good) = (Stage::quick(), Stage::quick());
    let all = backends(&[&bad, &good]).await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&all[0]], after_three)]);
    bad.answer_with(503);
    for _ in 0..3 {
        assert_eq!(condition(&site, "web.1"), Condition::Healthy);
        assert_eq!(site.get("blog.test").await.status(), 503);
    }
    // What is known of it outlives the table.
    site.publish(vec![app_with("blog", &[&all[0], &all[1]], after_three)]);
    for _ in 0..30 {
        assert_eq!(site.get("blog.test").await.text(), "web.2");
    }
    assert_eq!(value(&site, "ejections_total{app=\"blog\"}"), 1.0);
    assert_eq!(value(&site, "instances{app=\"blog\",condition=\"ejected\"}"), 1.0);
    until(|| condition(&site, "web.1") == Condition::HalfOpen).await;
    assert_eq!(site.get("blog.test").await.status(), 503, "one request finds out that it is still bad");
    assert_eq!(condition(&site, "web.1"), Condition::Ejected);
    for _ in 0..30 {
        assert_eq!(site.get("blog.test").await.text(), "web.2");
    }
    // With the other one bad as well there is nothing to lose: both are used, and an answer is proof.
    good.answer_with(502);
    while condition(&site, "web.2") == Condition::Healthy {
        site.get("blog.test").await;
    }
    bad.answer_with(200);
    while condition(&site, "web.1") != Condition::Healthy {
        site.get("blog.test").await;
    }
    assert_eq!(site.get("blog.test").await.text(), "web.1");
}

#[tokio::test]
async fn an_app_that_says_500_is_not_a_bad_instance_and_one_that_hangs_up_is() {
    let bad = Stage::quick();
    let all = backends(&[&bad]).await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&all[0]], after_three)]);
    bad.answer_with(500);
    for _ in 0..6 {
        assert_eq!(site.get("blog.test").await.status(), 500);
    }
    assert_eq!(condition(&site, "web.1"), Condition::Healthy);
    bad.answer_with(CLOSE);
    for _ in 0..3 {
        assert_eq!(condition(&site, "web.1"), Condition::Healthy);
        let request = "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(site.ask(request).await.code(), Some("H13"));
    }
    assert_eq!(condition(&site, "web.1"), Condition::Ejected);
}

#[tokio::test]
async fn the_only_instance_is_never_refused() {
    let bad = Stage::quick();
    let all = backends(&[&bad]).await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&all[0]], after_three)]);
    bad.answer_with(504);
    for _ in 0..10 {
        let answer = site.get("blog.test").await;
        assert_eq!((answer.status(), answer.code(), answer.text()), (504, None, "web.1"));
    }
    assert_eq!(condition(&site, "web.1"), Condition::Ejected);
    bad.answer_with(200);
    assert_eq!(site.get("blog.test").await.status(), 200);
    assert_eq!(condition(&site, "web.1"), Condition::Healthy);
}
