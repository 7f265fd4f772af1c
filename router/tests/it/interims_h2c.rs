//! Interim answers (1xx) of instances that speak HTTP/2 in clear text, to clients of both versions.

use bytes::Bytes;
use h2::Reason;
use http_body_util::BodyExt;
use hyper::Response;
use slipway_router::table::Protocol;

use super::grpc::{Call, next, server};
use super::h2c::{answer, call, cut, head};
use super::interims::whole_answer;
use super::interims_http2::{ask, client, get, interim, put, whole};
use super::speech::{Front, Pair, backend, full};
use super::support::{Backend, Head, Wire};

const GET: &str = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";

fn hints() -> Response<()> {
    Response::builder()
        .status(103)
        .header("link", "</a.css>; rel=preload")
        .header("trailer", "x")
        .header("x-router-error", "H99")
        .body(())
        .unwrap()
}

#[tokio::test]
async fn hints_come_before_the_answer_is_known() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut wire = Wire::connect(pair.http).await;
    let mut client = client(&pair, Front::Http2).await;
    for _ in 0..3 {
        wire.send(GET).await;
        let mut served = call(&mut calls).await;
        served.respond.send_informational(hints()).unwrap();
        let Head { line, headers } = wire.head().await;
        assert_eq!(line, "HTTP/1.1 103 Early Hints");
        assert_eq!(headers, [("link".to_owned(), "</a.css>; rel=preload".to_owned())]);
        answer(&mut served);
        assert_eq!(whole_answer(&mut wire).await, (vec![200], "ok".to_owned()));

        let (mut answered, _) = client.send_request(get(Front::Http2, "/"), true).unwrap();
        let mut served = call(&mut calls).await;
        served.respond.send_informational(hints()).unwrap();
        let came = interim(&mut answered).await.unwrap();
        assert_eq!((came.status().as_u16(), came.headers().len()), (103, 1));
        assert_eq!(came.headers()["link"], "</a.css>; rel=preload");
        answer(&mut served);
        assert_eq!(whole(answered).await, (vec![200], "ok".to_owned()));
    }
    assert_eq!(backend.accepted(), 1);
}

/// Answers each call with these statuses before its answer.
async fn chatty(statuses: &[u16]) -> Backend {
    let statuses = statuses.to_vec();
    Backend::start("blog", move |wire| {
        let statuses = statuses.clone();
        async move {
            let mut connection = h2::server::handshake(wire.stream).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                let mut call = Call { request, respond };
                for status in &statuses {
                    call.respond.send_informational(head(*status)).unwrap();
                }
                answer(&mut call);
            }
        }
    })
    .await
}

#[tokio::test]
async fn several_arrive_in_order_without_what_is_not_for_clients() {
    let backend = chatty(&[102, 100, 103, 101, 199]).await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut wire = Wire::connect(pair.http).await;
    let mut client = client(&pair, Front::Http2).await;
    let expected = (vec![102, 103, 199, 200], "ok".to_owned());
    for _ in 0..3 {
        wire.send(GET).await;
        assert_eq!(whole_answer(&mut wire).await, expected);
        assert_eq!(ask(&mut client, get(Front::Http2, "/")).await, expected);
    }
    let mut old = Wire::connect(pair.http).await;
    old.send("GET / HTTP/1.0\r\nHost: blog.test\r\n\r\n").await;
    assert_eq!(old.head().await.status(), 200, "HTTP/1.0 knows none");
}

#[tokio::test]
async fn a_flood_is_cut_off_and_the_answer_is_not() {
    let backend = chatty(&[103; 5000]).await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut wire = Wire::connect(pair.http).await;
    let mut client = client(&pair, Front::Http2).await;
    for _ in 0..2 {
        wire.send(GET).await;
        let over_http1 = whole_answer(&mut wire).await;
        for (statuses, body) in [over_http1, ask(&mut client, get(Front::Http2, "/")).await] {
            assert_eq!((statuses.len(), statuses.last(), body.as_str()), (33, Some(&200), "ok"));
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_by_the_app() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let request = "PUT / HTTP/1.1\r\nHost: blog.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut wire = Wire::connect(pair.http).await;
    wire.send(request).await;
    let mut served = call(&mut calls).await;
    assert_eq!(served.request.headers()["expect"], "100-continue");
    served.respond.send_informational(head(100)).unwrap();
    assert_eq!(wire.head().await.status(), 100);
    wire.send("hello").await;
    assert_eq!(next(served.request.body_mut()).await, "hello");
    answer(&mut served);
    assert_eq!(whole_answer(&mut wire).await, (vec![200], "ok".to_owned()));

    let mut client = client(&pair, Front::Http2).await;
    let (mut answered, mut sending) = client.send_request(put("/"), false).unwrap();
    let mut served = call(&mut calls).await;
    served.respond.send_informational(head(100)).unwrap();
    assert_eq!(interim(&mut answered).await.unwrap().status(), 100);
    sending.send_data(Bytes::from_static(b"hello"), true).unwrap();
    assert_eq!(next(served.request.body_mut()).await, "hello");
    answer(&mut served);
    assert_eq!(whole(answered).await, (vec![200], "ok".to_owned()));

    // A refusal comes instead of the 100, and the body is never asked for.
    let (answered, _sending) = client.send_request(put("/"), false).unwrap();
    let mut served = call(&mut calls).await;
    served.respond.send_response(head(401), true).unwrap();
    assert_eq!(whole(answered).await, (vec![401], String::new()));
    assert_eq!(cut(served.request.body_mut()).await, Reason::CANCEL);
}

#[tokio::test]
async fn an_app_that_never_asks_gets_the_body_after_a_while() {
    let backend = backend(Protocol::H2c, |request| async move {
        Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair, Front::Http2).await;
    let (mut answer, mut sending) = client.send_request(put("/"), false).unwrap();
    assert_eq!(interim(&mut answer).await.unwrap().status(), 100);
    sending.send_data(Bytes::from_static(b"hello"), true).unwrap();
    assert_eq!(whole(answer).await, (vec![200], "hello".to_owned()));
}
