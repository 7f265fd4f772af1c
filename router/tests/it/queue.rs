//! Limits on the requests of one instance, and the queue before them.

use std::num::NonZeroU32;
use std::time::Duration;

use slipway_router::policy::Policy;

use super::metrics::value;
use super::stage::{Stage, backends};
use super::support::{PATIENCE, Site, Wire, app_with, until, within};

fn one_at_a_time(policy: &mut Policy) {
    policy.balance.max_in_flight = NonZeroU32::new(1);
    policy.balance.queue = 4;
}

async fn ask(site: &Site, path: &str) -> Wire {
    let mut wire = site.connect().await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: blog.test\r\n\r\n")).await;
    wire
}

#[tokio::test]
async fn first_come_first_served_whichever_worker_it_is_on() {
    let stage = Stage::held();
    let all = backends(&[&stage]).await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&all[0]], one_at_a_time)]);
    let mut wires = vec![ask(&site, "/0").await];
    until(|| stage.count() == 1).await;
    for number in 1..=4 {
        wires.push(ask(&site, &format!("/{number}")).await);
        until(|| site.handle.waiting("blog") == number).await;
    }
    assert_eq!(value(&site, "waiting_requests{app=\"blog\",reason=\"busy\"}"), 4.0);
    let full = site.get("blog.test").await;
    assert_eq!((full.status(), full.code()), (503, Some("H11")));
    assert!(full.head.get("retry-after").is_some());
    // Who leaves makes room at the end, and is not waited for.
    drop(wires.remove(2));
    until(|| site.handle.waiting("blog") == 3).await;
    wires.push(ask(&site, "/5").await);
    until(|| site.handle.waiting("blog") == 4).await;
    assert_eq!(stage.count(), 1, "one at a time");
    for wire in &mut wires {
        stage.let_answer(1);
        assert_eq!(wire.answer().await.status(), 200);
    }
    assert_eq!(stage.seen(), ["/0", "/1", "/3", "/4", "/5"]);
    assert_eq!(site.handle.waiting("blog"), 0);
    assert_eq!(value(&site, "queue_seconds_count{app=\"blog\"}"), 4.0, "those who waited and were served");
}

#[tokio::test]
async fn a_wait_has_an_end() {
    let stage = Stage::held();
    let all = backends(&[&stage]).await;
    let site = Site::start();
    let hasty = |policy: &mut Policy| {
        one_at_a_time(policy);
        policy.balance.queue_time = Duration::from_millis(50);
    };
    site.publish(vec![app_with("blog", &[&all[0]], hasty)]);
    let mut first = ask(&site, "/").await;
    until(|| stage.count() == 1).await;
    let late = site.get("blog.test").await;
    assert_eq!((late.status(), late.code()), (503, Some("queue-timeout")));
    assert!(late.head.get("retry-after").is_some());
    stage.let_answer(1);
    assert_eq!(first.answer().await.status(), 200);
}

#[tokio::test]
async fn a_table_with_more_room_is_noticed_by_those_who_wait() {
    let (stage, second) = (Stage::held(), Stage::held());
    let all = backends(&[&stage, &second]).await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&all[0]], one_at_a_time)]);
    let mut wires = vec![ask(&site, "/").await];
    until(|| stage.count() == 1).await;
    for number in 1..=3 {
        wires.push(ask(&site, "/").await);
        until(|| site.handle.waiting("blog") == number).await;
    }
    site.publish(vec![app_with("blog", &[&all[0], &all[1]], one_at_a_time)]);
    until(|| second.count() == 1 && site.handle.waiting("blog") == 2).await;
    site.publish(vec![app_with("blog", &[&all[0], &all[1]], |_| {})]);
    until(|| stage.count() + second.count() == 4).await;
    stage.let_answer(4);
    second.let_answer(4);
    for wire in &mut wires {
        assert_eq!(wire.answer().await.status(), 200);
    }
}

/// Many clients on both workers and a limit that is always reached: nobody is forgotten, and the limit holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_forgotten_under_load() {
    let stages = [Stage::slow(Duration::from_millis(1)), Stage::slow(Duration::from_millis(1))];
    let all = backends(&[&stages[0], &stages[1]]).await;
    let site = Site::start();
    let limited = |policy: &mut Policy| {
        policy.balance.max_in_flight = NonZeroU32::new(2);
        policy.balance.queue_time = PATIENCE;
    };
    site.publish(vec![app_with("blog", &[&all[0], &all[1]], limited)]);
    let clients = (0..40).map(|_| async {
        let mut wire = site.connect().await;
        for _ in 0..20 {
            wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
            assert_eq!(wire.answer().await.status(), 200);
        }
    });
    within(futures_util::future::join_all(clients)).await;
    assert_eq!(stages[0].count() + stages[1].count(), 800);
    assert!(
        all.iter().all(|backend| backend.accepted() <= 4),
        "a connection a request, and one to rest per worker"
    );
}
