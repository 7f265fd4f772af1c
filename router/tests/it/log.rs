//! What the access log says of a request.

use slipway_router::policy::log::LogFormat;

use super::support::{Backend, Site, app_with};

#[tokio::test]
async fn a_request_is_logged_once_with_everything_that_is_asked_for_later() {
    let backend = Backend::echo("web.1").await;
    let mut site = Site::with(&[&backend]);
    let traced = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let request = format!("POST /a?b=c HTTP/1.1\r\nHost: Blog.test\r\n{traced}Content-Length: 2\r\n\r\nhi");
    let answer = site.ask(&request).await;
    let record = site.record().await;
    assert_eq!(record.app.as_deref().unwrap(), "blog");
    assert_eq!(record.instance.as_deref(), Some("web.1"));
    assert_eq!((record.status, record.bytes, record.code), (200, 7, None));
    assert_eq!(record.request_id.to_str().unwrap(), answer.head.get("x-request-id").unwrap());
    let mut line = String::new();
    record.write_logfmt(&mut line);
    assert!(line.starts_with("at=info method=POST path=\"/a?b=c\" host=\"Blog.test\" request_id="), "{line}");
    assert!(line.ends_with(" trace_id=0af7651916cd43dd8448eb211c80319c"), "{line}");
    assert!(line.contains(" fwd=\"127.0.0.1\" dyno=web.1 connect="), "{line}");
}

#[tokio::test]
async fn what_the_router_answers_itself_is_logged_too() {
    let mut site = Site::with(&[]);
    site.get("nobody").await;
    let record = site.record().await;
    assert_eq!((record.status, record.code, record.app), (404, Some("unknown-host"), None));
    site.get("blog.test").await;
    let record = site.record().await;
    assert_eq!((record.status, record.code), (503, Some("H14")));
    assert_eq!(&*record.app.unwrap(), "blog");
}

#[tokio::test]
async fn an_answer_to_head_has_no_bytes_whoever_answers() {
    let backend = Backend::echo("web.1").await;
    let mut site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send("HEAD / HTTP/1.1\r\nHost: nobody\r\n\r\n").await;
    assert_ne!(wire.head().await.get("content-length"), Some("0"));
    let record = site.record().await;
    assert_eq!((record.status, record.bytes), (404, 0));
    wire.send("GET / HTTP/1.1\r\nHost: nobody\r\n\r\n").await;
    let sent = wire.answer().await.body.len() as u64;
    assert_eq!(site.record().await.bytes, sent);
}

/// hyper refuses these by itself, before any service sees them.
#[tokio::test]
async fn what_is_no_request_has_a_page_with_a_code_and_an_id_too() {
    let backend = Backend::echo("web.1").await;
    let mut site = Site::with(&[&backend]);
    let (long, large) = ("x".repeat(70_000), format!("X: {}", "x".repeat(70_000)));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        (&*format!("GET / HTTP/1.1\r\nHost: blog.test\r\n{large}\r\n\r\n"), 431),
        (&*format!("GET /{long} HTTP/1.1\r\nHost: blog.test\r\n\r\n"), 431),
    ] {
        for answered_before in [false, true] {
            let mut wire = site.connect().await;
            if answered_before {
                wire.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
                assert_eq!(wire.answer().await.text(), "web.1");
                assert_eq!(site.record().await.status, 200);
            }
            wire.send(request).await;
            let answer = wire.answer().await;
            assert_eq!((answer.status(), answer.code()), (status, Some("H26")));
            let id = answer.head.get("x-request-id").unwrap();
            assert!(answer.text().contains(id) && answer.head.get("connection") == Some("close"));
            let record = site.record().await;
            assert_eq!((record.status, record.code), (status, Some("H26")));
            assert_eq!(record.bytes, answer.body.len() as u64);
            assert_eq!(record.method, "-", "nobody knows what it was");
            assert_eq!(record.request_id.to_str().unwrap(), id);
            wire.ended().await;
        }
    }
}

#[tokio::test]
async fn an_app_s_form_is_its_own_and_off_is_silence() {
    let backend = Backend::echo("web.1").await;
    let mut site = Site::start();
    let of = |name: &str, format| app_with(name, &[&backend], |policy| policy.log = format);
    site.publish(vec![of("silent", LogFormat::Off), of("chatty", LogFormat::Combined)]);
    for host in ["silent.test", "chatty.test"] {
        let head = "Referer: http://from/\r\nUser-Agent: me";
        site.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n{head}\r\n\r\n")).await;
    }
    // The other's would stand before it.
    let record = site.record().await;
    assert_eq!(record.app.as_deref(), Some("chatty"));
    let mut line = String::new();
    record.write(&mut line);
    assert!(line.ends_with(" \"http://from/\" \"me\""), "{line}");
}
