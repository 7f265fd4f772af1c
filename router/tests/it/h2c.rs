//! Instances that speak HTTP/2 in clear text: what is HTTP/2's own of the way to them, with h2 itself as the instance.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http_body_util::BodyExt;
use hyper::{Request, Response};
use slipway_router::table::Protocol;
use tokio::sync::mpsc::UnboundedReceiver;

use super::frames::{GOAWAY, HEADERS, PREFACE, SETTINGS, frame};
use super::grpc::{Call, next, server};
use super::interims_http2::{ask, client, get, interim, put, whole};
use super::speech::{Front, Pair, backend, channel, collect, data, full};
use super::support::{Backend, Head, Wire, within};

const BOTH: [Front; 2] = [Front::Http1, Front::Http2];
/// More than HTTP/2 lets anybody send without being asked for more.
const LARGE: usize = 1 << 20;
const GET: &str = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n";

fn head(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

fn hints() -> Response<()> {
    Response::builder()
        .status(103)
        .header("link", "</a.css>; rel=preload")
        .header("trailer", "x")
        .header("x-router-error", "H99")
        .body(())
        .unwrap()
}

async fn call(calls: &mut UnboundedReceiver<Call>) -> Call {
    within(calls.recv()).await.unwrap()
}

/// Answers with `ok`.
fn answer(call: &mut Call) {
    call.respond.send_response(head(200), false).unwrap().send_data(Bytes::from_static(b"ok"), true).unwrap();
}

/// The statuses until the first that is final, and the body.
async fn whole_answer(wire: &mut Wire) -> (Vec<u16>, String) {
    let mut statuses = Vec::new();
    loop {
        let head = wire.head().await;
        statuses.push(head.status());
        if head.status() >= 200 {
            let body = wire.body(&head).await;
            return (statuses, String::from_utf8(body).unwrap());
        }
    }
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

/// What a request's body ends with before its end.
async fn cut(body: &mut RecvStream) -> Reason {
    loop {
        let data = within(body.data()).await.expect("the body looks whole");
        if let Err(error) = data {
            return error.reason().unwrap();
        }
    }
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

/// Refuses two requests, and sends back what it gets with the third.
async fn refuse_twice(calls: &mut UnboundedReceiver<Call>) -> Vec<u8> {
    for _ in 0..2 {
        call(calls).await.respond.send_reset(Reason::REFUSED_STREAM);
    }
    let mut served = call(calls).await;
    if served.request.headers().contains_key("expect") {
        served.respond.send_informational(head(100)).unwrap();
    }
    let mut came = Vec::new();
    while let Some(data) = within(served.request.body_mut().data()).await {
        let data = data.unwrap();
        served.request.body_mut().flow_control().release_capacity(data.len()).unwrap();
        came.extend(data);
    }
    answer(&mut served);
    came
}

#[tokio::test]
async fn what_an_instance_refuses_is_sent_again_whatever_the_method() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    for front in BOTH {
        let mut client = pair.client(front).await;
        for length in [0, 5, 50_000] {
            let sent = client.post("/", full(vec![b'x'; length]));
            let (answer, came) = tokio::join!(sent, refuse_twice(&mut calls));
            assert_eq!((answer.status().as_u16(), came.len()), (200, length), "{front:?}");
            assert_eq!(collect(answer.into_body()).await.0, "ok");
        }
    }
    // One that waits to be asked has its body still, however large it is.
    let mut client = client(&pair, Front::Http2).await;
    let (mut answered, mut sending) = client.send_request(put("/"), false).unwrap();
    let asked = async {
        assert_eq!(interim(&mut answered).await.unwrap().status(), 100);
        sending.send_data(Bytes::from_static(b"hello"), true).unwrap();
    };
    assert_eq!(tokio::join!(asked, refuse_twice(&mut calls)).1, b"hello");
    assert_eq!(whole(answered).await, (vec![200], "ok".to_owned()));
    // Not for ever.
    let (answered, _) = client.send_request(get(Front::Http2, "/"), true).unwrap();
    for _ in 0..4 {
        call(&mut calls).await.respond.send_reset(Reason::REFUSED_STREAM);
    }
    assert_eq!(whole(answered).await.0, [502]);
    assert_eq!(backend.accepted(), 1);
}

/// What is reset for another reason may have been done.
#[tokio::test]
async fn what_fails_otherwise_is_not_sent_again() {
    let (backend, mut calls) = server().await;
    let mut pair = Pair::new(&backend, Protocol::H2c);
    let mut client = pair.client(Front::Http2).await;
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
        let failing = async { call(&mut calls).await.respond.send_reset(reason) };
        let (answer, ()) = tokio::join!(client.post("/", full("hello")), failing);
        assert_eq!(answer.status(), 502, "{reason:?}");
        assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, Some("H13"));
    }
}

/// A server that takes no notice of requests any more says so with the last one of which it did: none here.
#[tokio::test]
async fn what_came_after_a_goodbye_is_sent_again_on_another_connection() {
    let backend = Backend::start("blog", |mut wire: Wire| async move {
        wire.exactly(PREFACE.len()).await;
        wire.send(frame(SETTINGS, 0, 0, b"")).await;
        loop {
            let head = wire.exactly(9).await;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            wire.exactly(usize::try_from(length).unwrap()).await;
            if head[3] == HEADERS {
                break;
            }
        }
        wire.send(frame(GOAWAY, 0, 0, &[0; 8])).await;
        wire.rest().await;
    })
    .await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = pair.client(Front::Http2).await;
    let answer = client.post("/", full("hello")).await;
    assert_eq!(answer.status(), 502);
    assert_eq!(backend.accepted(), 4, "once, and three times again");
}

/// The goodbye of a server that is about to end does nothing to the requests before it, and those after it find another
/// connection.
#[tokio::test]
async fn a_server_may_end_its_connections_one_after_the_other() {
    let backend = Backend::start("blog", |wire| async move {
        let mut connection = h2::server::handshake(wire.stream).await.unwrap();
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        connection.graceful_shutdown();
        let mut first = Call { request, respond };
        answer(&mut first);
        while let Some(Ok((request, respond))) = connection.accept().await {
            answer(&mut Call { request, respond });
        }
    })
    .await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = pair.client(Front::Http2).await;
    for round in 0..20 {
        let answer = client.post("/", full("hello")).await;
        assert_eq!(answer.status(), 200, "{round}");
        assert_eq!(collect(answer.into_body()).await.0, "ok");
    }
    assert!(backend.accepted() > 1);
}

/// Answers before the body is there.
fn answer_early(call: &mut Call) {
    let mut refusal = call.respond.send_response(head(413), false).unwrap();
    refusal.send_data(Bytes::from_static(b"big"), true).unwrap();
}

#[tokio::test]
async fn an_upload_larger_than_the_window_ends_with_its_early_answer() {
    let (backend, mut calls) = server().await;
    let mut pair = Pair::new(&backend, Protocol::H2c);
    for front in BOTH {
        let mut client = pair.client(front).await;
        let (sender, body) = channel();
        sender.send(data(vec![0; LARGE])).unwrap();
        let refusing = async {
            let mut served = call(&mut calls).await;
            // As much as comes without asking for more.
            assert!(!within(served.request.body_mut().data()).await.unwrap().unwrap().is_empty());
            answer_early(&mut served);
            // h2 resets without an error what nobody reads.
            drop(served);
        };
        let (answered, ()) = tokio::join!(client.post("/", body), refusing);
        assert_eq!(answered.status(), 413, "{front:?}");
        assert_eq!(collect(answered.into_body()).await.0, "big");
        assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, None);
        drop(sender);
        // The connection goes on.
        let mut client = pair.client(front).await;
        let serving = async { answer(&mut call(&mut calls).await) };
        let (answered, ()) = tokio::join!(client.get("/"), serving);
        assert_eq!(collect(answered.into_body()).await.0, "ok");
        assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, None);
    }
    assert_eq!(backend.accepted(), 1);
}

/// A request of which the first part has come.
async fn upload(client: &mut SendRequest<Bytes>) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
    let request = Request::post("http://blog.test/").body(()).unwrap();
    let (answered, mut sending) = client.send_request(request, false).unwrap();
    sending.send_data(Bytes::from(vec![0; LARGE]), false).unwrap();
    (answered, sending)
}

#[tokio::test]
async fn an_app_may_answer_first_and_read_on() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair, Front::Http2).await;
    let (answered, mut sending) = upload(&mut client).await;
    let mut served = call(&mut calls).await;
    answer_early(&mut served);
    assert_eq!(whole(answered).await, (vec![413], "big".to_owned()));
    sending.send_data(Bytes::from_static(b"end"), true).unwrap();
    let (mut body, mut count) = (served.request.into_body(), 0);
    while !body.is_end_stream() {
        count += next(&mut body).await.len();
    }
    assert_eq!(count, LARGE + 3);
}

#[tokio::test]
async fn an_app_that_answers_first_and_never_reads_holds_its_client_for_a_while_only() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair, Front::Http2).await;
    let (answered, mut sending) = upload(&mut client).await;
    let mut served = call(&mut calls).await;
    answer_early(&mut served);
    assert_eq!(whole(answered).await, (vec![413], "big".to_owned()));
    assert_eq!(cut(served.request.body_mut()).await, Reason::CANCEL);
    within(poll_fn(|cx| sending.poll_reset(cx))).await.unwrap();
}

/// Only the end of a stream is the end of an answer; a reset before it is none, not even one without an error.
#[tokio::test]
async fn an_answer_that_is_reset_without_an_error_is_cut() {
    let (backend, mut calls) = server().await;
    let mut pair = Pair::new(&backend, Protocol::H2c);
    for front in BOTH {
        let mut client = pair.client(front).await;
        let cutting = async {
            let mut served = call(&mut calls).await;
            let mut body = served.respond.send_response(head(200), false).unwrap();
            body.send_data(Bytes::from_static(b"half"), false).unwrap();
            body
        };
        let (answered, mut body) = tokio::join!(client.get("/"), cutting);
        let mut answered = answered.into_body();
        assert_eq!(super::speech::next(&mut answered).await.unwrap().unwrap(), "half");
        body.send_reset(Reason::NO_ERROR);
        assert!(super::speech::next(&mut answered).await.unwrap().is_err(), "{front:?}");
        assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, Some("H18"));
    }
}
