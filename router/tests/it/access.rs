//! Who may send requests, how many, and what everybody else is told.

use std::num::NonZeroU32;
use std::time::Duration;

use slipway_router::policy::Policy;
use slipway_router::policy::access::password_hash::PasswordHash;
use slipway_router::policy::access::{Rate, User};
use slipway_router::policy::maintenance::Maintenance;
use tokio::sync::mpsc;

use super::support::{Answer, Backend, Site, app, app_with, within};

/// A router with one app and something set about its requests.
async fn site(change: impl FnOnce(&mut Policy)) -> (Site, Backend) {
    let backend = Backend::echo("hello").await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], change)]);
    (site, backend)
}

fn seen(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status(), answer.code())
}

#[tokio::test]
async fn only_addresses_that_may_get_in() {
    for (allow, deny, status) in [
        (vec![], vec![], 200),
        (vec!["127.0.0.0/8"], vec![], 200),
        (vec!["10.0.0.0/8"], vec![], 403),
        (vec!["10.0.0.0/8", "127.0.0.1/32"], vec![], 200),
        (vec![], vec!["127.0.0.1/32"], 403),
        (vec!["127.0.0.0/8"], vec!["127.0.0.0/24"], 403),
        (vec!["::1/128"], vec![], 403),
    ] {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let (site, backend) = site(|policy| {
            policy.access.allow = networks(&allow);
            policy.access.deny = networks(&deny);
        })
        .await;
        let answer = site.get("blog.test").await;
        let code = if status == 403 { Some("address-denied") } else { None };
        assert_eq!(seen(&answer), (status, code), "{allow:?} {deny:?}");
        assert_eq!(backend.accepted(), usize::from(status == 200));
    }
}

fn with_authorization(value: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: blog.test\r\nAuthorization: {value}\r\n\r\n")
}

#[tokio::test]
async fn a_name_and_its_password_are_needed_where_there_are_users() {
    let hash = PasswordHash::of("open sesame").unwrap();
    let (site, backend) = site(|policy| {
        policy.access.users = vec![User { name: "ali".to_owned(), password_hash: hash }];
    })
    .await;
    let answer = site.get("blog.test").await;
    assert_eq!(seen(&answer), (401, Some("unauthorized")));
    assert_eq!(answer.head.get("www-authenticate"), Some("Basic realm=\"blog.test\", charset=\"UTF-8\""));
    // ali:open sesame, again by another connection, then its scheme in another case.
    for good in ["Basic YWxpOm9wZW4gc2VzYW1l", "Basic YWxpOm9wZW4gc2VzYW1l", "bAsIc YWxpOm9wZW4gc2VzYW1l"] {
        assert_eq!(site.ask(&with_authorization(good)).await.text(), "hello");
    }
    // ali:wrong, cassim:open sesame, no colon, no Base64, another scheme.
    for bad in [
        "Basic YWxpOndyb25n",
        "Basic Y2Fzc2ltOm9wZW4gc2VzYW1l",
        "Basic YWxp",
        "Basic !!",
        "Bearer YWxp",
        "Basic",
    ] {
        assert_eq!(site.ask(&with_authorization(bad)).await.status(), 401, "{bad}");
    }
    assert!(backend.accepted() <= 2, "nothing of the refused ones reached the app");
}

#[tokio::test]
async fn a_changed_password_ends_the_old_one_at_once() {
    let backend = Backend::echo("hello").await;
    let site = Site::start();
    let user = |password| User { name: "ali".to_owned(), password_hash: PasswordHash::of(password).unwrap() };
    let publish = |user: User| {
        site.publish(vec![app_with("blog", &[&backend], |policy| policy.access.users = vec![user])]);
    };
    publish(user("wrong"));
    assert_eq!(site.ask(&with_authorization("Basic YWxpOndyb25n")).await.status(), 200);
    publish(user("open sesame"));
    assert_eq!(site.ask(&with_authorization("Basic YWxpOndyb25n")).await.status(), 401);
}

#[tokio::test]
async fn whoever_guesses_passwords_is_told_to_wait() {
    let hash = PasswordHash::of("open sesame").unwrap();
    let (site, _backend) = site(|policy| {
        policy.access.users = vec![User { name: "ali".to_owned(), password_hash: hash }];
    })
    .await;
    assert_eq!(site.ask(&with_authorization("Basic YWxpOm9wZW4gc2VzYW1l")).await.status(), 200);
    let mut refused = 0;
    for _ in 0..40 {
        let answer = site.ask(&with_authorization("Basic YWxpOndyb25n")).await;
        refused += usize::from(answer.status() == 429);
        assert!(answer.status() == 429 || answer.status() == 401);
    }
    assert!(refused > 0, "nobody was told to wait");
    // What was checked already is not a guess.
    assert_eq!(site.ask(&with_authorization("Basic YWxpOm9wZW4gc2VzYW1l")).await.status(), 200);
}

#[tokio::test]
async fn an_address_may_send_so_many_requests_and_no_more() {
    let rate = Rate { per_hour: NonZeroU32::MIN.saturating_add(59), burst: NonZeroU32::new(3).unwrap() };
    let (site, backend) = site(|policy| policy.access.rate = Some(rate)).await;
    for _ in 0..3 {
        assert_eq!(site.get("blog.test").await.status(), 200);
    }
    let answer = site.get("blog.test").await;
    assert_eq!(seen(&answer), (429, Some("rate-limited")));
    let number = |name| answer.head.get(name).unwrap().parse::<u64>().unwrap();
    assert!((1..=60).contains(&number("retry-after")));
    assert_eq!((number("ratelimit-limit"), number("ratelimit-remaining")), (3, 0));
    assert!((100..=180).contains(&number("ratelimit-reset")));
    // The next table gives nobody new tokens, and another app has its own.
    let change = |policy: &mut Policy| policy.access.rate = Some(rate);
    site.publish(vec![app_with("blog", &[&backend], change), app_with("shop", &[&backend], change)]);
    assert_eq!(site.get("blog.test").await.status(), 429);
    assert_eq!(site.get("shop.test").await.status(), 200);
}

#[tokio::test]
async fn an_address_may_have_so_many_requests_under_way() {
    let (answer, mut wanted) = mpsc::unbounded_channel::<mpsc::Sender<()>>();
    let backend = Backend::start("blog", move |mut wire| {
        let answer = answer.clone();
        async move {
            wire.head().await;
            let (go, mut wait) = mpsc::channel(1);
            answer.send(go).unwrap();
            wait.recv().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").await;
        }
    })
    .await;
    let site = Site::start();
    site.publish(vec![app_with("blog", &[&backend], |policy| {
        policy.access.max_concurrent = NonZeroU32::new(2);
    })]);
    let request = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";
    let (mut first, mut second) = (site.connect().await, site.connect().await);
    first.send(request).await;
    second.send(request).await;
    let (one, _other) = (within(wanted.recv()).await.unwrap(), within(wanted.recv()).await.unwrap());
    let refused = site.get("blog.test").await;
    assert_eq!(seen(&refused), (429, Some("too-many-at-once")));
    assert_eq!(refused.head.get("retry-after"), Some("1"));
    one.send(()).await.unwrap();
    tokio::select! { answer = first.answer() => assert_eq!(answer.text(), "hi"), answer = second.answer() => assert_eq!(answer.text(), "hi") }
    let mut third = site.connect().await;
    third.send(request).await;
    within(wanted.recv()).await.unwrap().send(()).await.unwrap();
    assert_eq!(third.answer().await.text(), "hi");
}

#[tokio::test]
async fn an_address_may_have_so_many_connections() {
    let backend = Backend::echo("hello").await;
    let site = Site::start_with(|settings| settings.max_connections_per_address = NonZeroU32::new(2));
    site.publish(vec![app("blog", &[&backend])]);
    let request = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";
    let (mut first, mut second) = (site.connect().await, site.connect().await);
    for wire in [&mut first, &mut second] {
        wire.send(request).await;
        assert_eq!(wire.answer().await.text(), "hello");
    }
    site.connect().await.ended().await;
    drop(first);
    // Whoever goes makes room; the router learns of it a moment later.
    let started = std::time::Instant::now();
    loop {
        let mut wire = site.connect().await;
        // A refused connection may be reset before this is written.
        if tokio::io::AsyncWriteExt::write_all(&mut wire.stream, request.as_bytes()).await.is_ok()
            && wire.try_head().await.is_some()
        {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nobody made room");
    }
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_waits_and_the_others_are_served() {
    let backend = Backend::echo("hello").await;
    let site = Site::start_with(|settings| settings.max_connections = Some(1));
    site.publish(vec![app("blog", &[&backend])]);
    let request = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";
    let mut first = site.connect().await;
    first.send(request).await;
    assert_eq!(first.answer().await.text(), "hello");
    let mut second = site.connect().await;
    second.send(request).await;
    let others = async {
        for _ in 0..100 {
            first.send(request).await;
            assert_eq!(first.answer().await.text(), "hello");
        }
    };
    tokio::select! {
        biased;
        () = second.peek_head() => panic!("there was no place"),
        () = others => {}
    }
    drop(first);
    assert_eq!(second.answer().await.text(), "hello");
}

fn in_maintenance(change: impl FnOnce(&mut Maintenance)) -> impl FnOnce(&mut Policy) {
    let mut maintenance = Maintenance { retry_after: Duration::from_secs(90), ..Maintenance::default() };
    change(&mut maintenance);
    |policy| policy.maintenance = Some(maintenance)
}

#[tokio::test]
async fn everybody_gets_the_maintenance_page() {
    let (mut site, backend) = site(in_maintenance(|_| {})).await;
    let answer = site.get("blog.test").await;
    assert_eq!(seen(&answer), (503, Some("H80")));
    assert_eq!(answer.head.get("retry-after"), Some("90"));
    assert!(answer.text().contains("in maintenance"));
    let record = site.record().await;
    assert_eq!((record.status, record.code, record.app.as_deref()), (503, Some("H80"), Some("blog")));
    let json = site.ask("GET / HTTP/1.1\r\nHost: blog.test\r\nAccept: application/json\r\n\r\n").await;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&json.body).unwrap()["error"], "H80");
    assert_eq!(backend.accepted(), 0);
}

#[tokio::test]
async fn an_app_may_have_a_maintenance_page_and_visitors() {
    let (site, _backend) = site(in_maintenance(|set| set.page = Some("<b>{{code}}</b>".into()))).await;
    assert_eq!(site.get("blog.test").await.text(), "<b>H80</b>");
    let (site, _backend) =
        self::site(in_maintenance(|set| set.allow = vec!["127.0.0.1/32".parse().unwrap()])).await;
    assert_eq!(site.get("blog.test").await.text(), "hello");
}

#[tokio::test]
async fn the_secret_gets_a_cookie_and_the_cookie_gets_the_app_but_not_its_value() {
    let (seen_heads, mut heads) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let seen = seen_heads.clone();
        async move {
            while let Some(head) = wire.try_head().await {
                seen.send(head).unwrap();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            }
        }
    })
    .await;
    let site = Site::start();
    let change = in_maintenance(|set| set.bypass = Some("s3cret".to_owned()));
    site.publish(vec![app_with("blog", &[&backend], change)]);
    let ask = |target: &str, cookie: &str| {
        site.ask(Box::leak(
            format!("GET {target} HTTP/1.1\r\nHost: blog.test\r\nCookie: {cookie}\r\n\r\n").into_boxed_str(),
        ))
    };
    for wrong in ["/?maintenance-bypass=s3cre", "/?maintenance-bypass=", "/?maintenance-bypass=S3CRET", "/"] {
        assert_eq!(ask(wrong, "a=b; maintenance-bypass=s3cret").await.status(), 503, "{wrong}");
    }
    let answer = ask("//evil.test/x?a=b&maintenance-bypass=s3cret&c=d", "a=b").await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.head.get("location"), Some("/evil.test/x?a=b&c=d"));
    let answer = ask("/\\evil.test/x?maintenance-bypass=s3cret", "a=b").await;
    assert_eq!(answer.head.get("location"), Some("/evil.test/x"), "browsers take a backslash for a slash");
    let cookie = answer.head.get("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains("s3cret"));
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(ask("/x", &format!("a=b; {pair}; c=d")).await.text(), "hi");
    let head = within(heads.recv()).await.unwrap();
    assert_eq!((head.line.as_str(), head.all("cookie")), ("GET /x HTTP/1.1", vec!["a=b; c=d"]));
}

#[tokio::test]
async fn the_rules_come_in_their_order() {
    let (site, _backend) = site(|policy| {
        policy.access.deny = vec!["127.0.0.0/8".parse().unwrap()];
        policy.maintenance = Some(Maintenance::default());
        policy.bodies.max_request_bytes = Some(1);
    })
    .await;
    let request = "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(site.ask(request).await.status(), 403);
    let (site, _backend) = self::site(|policy| {
        policy.maintenance = Some(Maintenance::default());
        policy.access.rate =
            Some(Rate { per_hour: NonZeroU32::MIN.saturating_add(59), burst: NonZeroU32::MIN });
        policy.bodies.max_request_bytes = Some(1);
    })
    .await;
    assert_eq!(site.ask(request).await.status(), 503);
    assert_eq!(site.ask(request).await.status(), 429);
}

#[tokio::test]
async fn an_apps_own_pages_stand_in_for_the_routers_and_not_for_its_own() {
    let backend = Backend::start("blog", |mut wire| async move {
        while wire.try_head().await.is_some() {
            wire.send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nmine").await;
        }
    })
    .await;
    let site = Site::start();
    let change = |policy: &mut Policy| {
        policy.error_pages.insert(502, "<p>{{status}} {{code}} {{request_id}}</p>".into());
        let header = ("X-Frame-Options".to_owned(), "DENY".to_owned());
        policy.headers.response = vec![header.try_into().unwrap()];
        let header = ("Content-Type".to_owned(), "text/plain".to_owned());
        policy.headers.response.push(header.try_into().unwrap());
    };
    site.publish(vec![app_with("blog", &[&backend], change)]);
    assert_eq!(site.get("blog.test").await.text(), "mine");
    let backend = backend.stop().await;
    let gone = app_with("blog", &[&backend], |policy| {
        change(policy);
        policy.timeouts.connect = Duration::from_millis(100);
    });
    let site = Site::start_with(|settings| settings.waiting.time = Duration::from_millis(10));
    site.publish(vec![gone]);
    let id = "0123456789abcdef0123";
    let request = format!("GET / HTTP/1.1\r\nHost: blog.test\r\nX-Request-Id: {id}\r\n");
    let answer = site.ask(&format!("{request}\r\n")).await;
    assert_eq!(seen(&answer), (502, Some("H21")));
    assert_eq!(answer.text(), format!("<p>502 H21 {id}</p>"));
    assert_eq!(answer.head.get("x-frame-options"), Some("DENY"));
    assert_eq!(answer.head.all("content-type"), ["text/html; charset=utf-8"]);
    let json = site.ask(&format!("{request}Accept: application/json\r\n\r\n")).await;
    assert_eq!(json.head.get("content-type"), Some("application/json"));
}
