//! Clients that stay with their instance.

use std::sync::{Arc, Mutex};

use slipway_router::settings::SigningKey;
use slipway_router::table::{AppRoutes, HostRoute};

use super::stage::{Stage, backends};
use super::support::{Backend, Site, app_with};

fn sticky(name: &str, backends: &[&Backend]) -> AppRoutes {
    app_with(name, backends, |policy| policy.balance.sticky = true)
}

fn start() -> Site {
    Site::start_with(|settings| settings.signing_key = Some(SigningKey::new(&[1; 32])))
}

fn with_cookie(cookie: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: blog.test\r\nCookie: {cookie}\r\n\r\n")
}

/// The cookie that an answer sets, without its attributes.
fn set(answer: &super::support::Answer) -> Option<String> {
    let set = answer.head.get("set-cookie")?;
    Some(set.split_once(';').unwrap().0.to_owned())
}

#[tokio::test]
async fn a_client_stays_with_its_instance_over_deployments_and_restarts() {
    let stages = [Stage::quick(), Stage::quick(), Stage::quick()];
    let all = backends(&[&stages[0], &stages[1], &stages[2]]).await;
    let site = start();
    site.publish(vec![sticky("blog", &[&all[0], &all[1], &all[2]])]);
    let first = site.get("blog.test").await;
    let cookie = set(&first).unwrap();
    assert!(first.head.get("set-cookie").unwrap().ends_with("; Path=/; HttpOnly; SameSite=Lax"));
    for _ in 0..20 {
        let answer = site.ask(&with_cookie(&format!("a=b; {cookie}"))).await;
        assert_eq!((answer.text(), set(&answer)), (first.text(), None));
    }
    // The next release has other containers with the same labels.
    let mut next = sticky("blog", &[&all[0], &all[1], &all[2]]);
    next.instances.iter_mut().for_each(|instance| instance.id.push_str("-next"));
    site.publish(vec![next]);
    let restarted = start();
    restarted.publish(vec![sticky("blog", &[&all[0], &all[1], &all[2]])]);
    for site in [&site, &restarted] {
        for _ in 0..10 {
            assert_eq!(site.ask(&with_cookie(&cookie)).await.text(), first.text());
        }
    }
    // Its instance goes, and it is told so once.
    let others: Vec<_> = all.iter().filter(|backend| backend.name != first.text()).collect();
    site.publish(vec![sticky("blog", &others)]);
    let moved = site.ask(&with_cookie(&cookie)).await;
    assert_ne!(moved.text(), first.text());
    let cookie = set(&moved).unwrap();
    for _ in 0..20 {
        assert_eq!(site.ask(&with_cookie(&cookie)).await.text(), moved.text());
    }
}

#[tokio::test]
async fn the_app_sees_its_own_cookies_and_a_forged_one_means_nothing() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    let backend = Backend::start("web.1", move |mut wire| {
        let heads = Arc::clone(&heads);
        async move {
            while let Some(head) = wire.try_head().await {
                heads.lock().unwrap().push(head.get("cookie").map(str::to_owned));
                wire.send("HTTP/1.1 200 OK\r\nSet-Cookie: own=1\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let site = start();
    site.publish(vec![sticky("blog", &[&backend])]);
    let first = site.ask(&with_cookie("slipway-instance=00112233445566778899aabbccddeeff; a=1;b=2")).await;
    let cookies = first.head.all("set-cookie");
    assert!(cookies.len() == 2 && cookies[0] == "own=1", "{cookies:?}");
    let cookie = cookies[1].split_once(';').unwrap().0;
    let second = site.ask(&with_cookie(cookie)).await;
    assert_eq!(second.head.all("set-cookie"), ["own=1"]);
    assert_eq!(*seen.lock().unwrap(), [Some("a=1;b=2".to_owned()), None]);
}

#[tokio::test]
async fn an_app_below_a_path_has_a_cookie_for_that_path() {
    let backend = Backend::echo("api").await;
    let site = start();
    let mut routes = sticky("api", &[&backend]);
    let host = "blog.test".parse().unwrap();
    routes.hosts = vec![HostRoute { host, path: "/api".parse().unwrap(), strip: true }];
    site.publish(vec![routes]);
    let answer = site.ask("GET /api/x HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert!(answer.head.get("set-cookie").unwrap().contains("; Path=/api; "));
}
