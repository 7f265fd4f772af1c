//! What the access log says of a request.

use super::support::{Backend, Site};

#[tokio::test]
async fn a_request_is_logged_once_with_everything_that_is_asked_for_later() {
    let backend = Backend::echo("web.1").await;
    let mut site = Site::with(&[&backend]);
    let answer = site.ask("POST /a?b=c HTTP/1.1\r\nHost: Blog.test\r\nContent-Length: 2\r\n\r\nhi").await;
    let record = site.record().await;
    assert_eq!(record.app.as_deref().unwrap(), "blog");
    assert_eq!(record.instance.as_deref(), Some("web.1"));
    assert_eq!((record.status, record.bytes, record.code), (200, 7, None));
    assert_eq!(record.request_id.to_str().unwrap(), answer.head.get("x-request-id").unwrap());
    let mut line = String::new();
    record.write_logfmt(&mut line);
    assert!(line.starts_with("at=info method=POST path=\"/a?b=c\" host=\"Blog.test\" request_id="), "{line}");
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
    // hyper refuses this one by itself.
    site.ask("GET / HTTP/1.1\r\nHost : x\r\n\r\n").await;
    let record = site.record().await;
    assert_eq!((record.status, record.code), (400, Some("H26")));
}
