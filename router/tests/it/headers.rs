//! What of a request's head reaches the app, and what of an answer's head reaches the client.

use slipway_router::policy::Policy;

use super::support::{Answer, Backend, Head, Site, Wire, app, app_with};

/// Sends a request through the router and gives back the head that the app got.
async fn seen_by_app(request: &str) -> (Head, Answer) {
    let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |mut wire| {
        let heads = heads.clone();
        async move {
            let head = wire.head().await;
            wire.body(&head).await;
            heads.send(head).unwrap();
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await;
    let answer = Site::with(&[&backend]).ask(request).await;
    (seen.recv().await.unwrap(), answer)
}

#[tokio::test]
async fn the_app_learns_who_asks_and_how() {
    let (head, answer) = seen_by_app(
        "GET /a//b/../%2f?q=%20&x=[]|\\ HTTP/1.1\r\nHost: Blog.TEST:8080\r\nCookie: a=b\r\nCookie: c=d\r\n\
         X-Forwarded-For: 6.6.6.6\r\nX_Real_Ip: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
         X-Request-Id: 0123456789-0123456789\r\n\r\n",
    )
    .await;
    assert_eq!(head.line, "GET /a//b/../%2f?q=%20&x=[]|\\ HTTP/1.1");
    assert_eq!(head.all("host"), ["Blog.TEST:8080"]);
    assert_eq!(head.all("cookie"), ["a=b", "c=d"]);
    assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(head.all("x-forwarded-host"), ["Blog.TEST:8080"]);
    assert_eq!(head.all("x-request-id"), ["0123456789-0123456789"]);
    assert_eq!(answer.head.get("x-request-id"), Some("0123456789-0123456789"));
    assert!(head.get("x-forwarded-port").unwrap().parse::<u16>().is_ok());
    let start = head.get("x-request-start").unwrap().strip_prefix("t=").unwrap();
    assert!(start.len() == 13 && start.parse::<u64>().is_ok(), "{start}");
    assert!(head.get("x_real_ip").is_none() && head.get("forwarded").is_none());
    assert!(head.get("connection").is_none(), "{head:?}");
}

#[tokio::test]
async fn hop_by_hop_headers_do_not_cross() {
    let (head, _) = seen_by_app(
        "GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: keep-alive, x-mine, host\r\nX-Mine: 1\r\n\
         Keep-Alive: timeout=9\r\nProxy-Connection: close\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    )
    .await;
    for name in ["x-mine", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "connection"]
    {
        assert!(head.get(name).is_none(), "{name}: {head:?}");
    }
    assert_eq!(head.get("host"), Some("blog.test"));
}

#[tokio::test]
async fn an_absolute_target_becomes_a_path() {
    let (head, _) = seen_by_app("GET http://BLOG.test/a?b HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(head.line, "GET /a?b HTTP/1.1");
    let (head, _) = seen_by_app("GET http://blog.test HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(head.line, "GET / HTTP/1.1");
    let (head, _) = seen_by_app("OPTIONS * HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(head.line, "OPTIONS * HTTP/1.1");
}

#[tokio::test]
async fn a_get_keeps_its_chunked_body() {
    let (head, _) = seen_by_app(
        "GET / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    )
    .await;
    assert_eq!(head.get("transfer-encoding"), Some("chunked"));
}

/// Gives the app's answer through the router. The connection lives as long as the site beside it.
async fn seen_by_client(answer: &'static str, request: &str) -> (Wire, Site) {
    let backend = Backend::start("blog", move |mut wire| async move {
        wire.head().await;
        wire.send(answer).await;
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(request).await;
    // The head is read here, while the backend is still there.
    wire.peek_head().await;
    (wire, site)
}

#[tokio::test]
async fn the_answers_head_arrives_without_what_concerned_the_app_only() {
    let (mut wire, _site) = seen_by_client(
        "HTTP/1.1 201 Made It\r\nX-Router-Error: H99\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi",
        "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n",
    )
    .await;
    let answer = wire.answer().await;
    assert_eq!(answer.head.line, "HTTP/1.1 201 Made It");
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.head.all("date"), ["Thu, 01 Jan 1970 00:00:00 GMT"]);
    for name in ["connection", "x-hop", "keep-alive", "x-router-error"] {
        assert!(answer.head.get(name).is_none(), "{name}");
    }
    assert_eq!(answer.text(), "hi");
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_reach_the_client() {
    let (mut wire, _site) = seen_by_client(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n",
    )
    .await;
    let answer = wire.answer().await;
    assert!(answer.head.get("content-length").is_none());
    assert_eq!(answer.text(), "hello");
}

#[tokio::test]
async fn answers_without_a_body_stay_without_one() {
    for (answer, request) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", "HEAD"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "GET"),
        ("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", "GET"),
    ] {
        let request = format!("{request} / HTTP/1.1\r\nHost: blog.test\r\n\r\n");
        let (mut wire, _site) = seen_by_client(answer, &request).await;
        let head = wire.head().await;
        assert_eq!(head.line, answer.lines().next().unwrap());
        if request.starts_with("HEAD") {
            assert_eq!(head.get("content-length"), Some("50"));
        }
        wire.send("GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n").await;
        assert!(wire.head().await.status() >= 400, "the next answer begins right after the head");
    }
}

/// Some programs look for `Content-Type` by letter, and some devices for `ETag`.
#[tokio::test]
async fn names_keep_their_case_for_an_app_that_wants_it() {
    let serve = |mut wire: Wire| async move {
        while let Some(head) = wire.try_head().await {
            let names: Vec<_> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
            let names = names.join(",");
            let length = names.len();
            wire.send(format!("HTTP/1.1 200 OK\r\nX-ODD-case: 1\r\nContent-Length: {length}\r\n\r\n{names}"))
                .await;
        }
    };
    let (old, new) = (Backend::start("old", serve).await, Backend::start("new", serve).await);
    let site = Site::start();
    let preserve = |policy: &mut Policy| policy.headers.preserve_case = true;
    site.publish(vec![app_with("old", &[&old], preserve), app("new", &[&new])]);
    let request = |app| format!("GET / HTTP/1.1\r\nHOST: {app}.test\r\nx-Foo-BAR: 1\r\n\r\n");
    let answer = site.ask(&request("old")).await;
    assert!(answer.text().starts_with("HOST,x-Foo-BAR,"), "{}", answer.text());
    assert!(answer.text().contains(",X-Forwarded-For,"), "{}", answer.text());
    assert!(answer.head.headers.iter().any(|(name, _)| name == "X-ODD-case"), "{:?}", answer.head);
    // The others are not concerned.
    let answer = site.ask(&request("new")).await;
    assert!(answer.text().starts_with("host,x-foo-bar,"), "{}", answer.text());
    assert!(answer.head.headers.iter().any(|(name, _)| name == "x-odd-case"), "{:?}", answer.head);
}
