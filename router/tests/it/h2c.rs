//! Instances that speak HTTP/2 in clear text: what is HTTP/2's own of the way to them, with h2 itself as the instance.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use hyper::{Request, Response};
use slipway_router::policy::Policy;
use slipway_router::table::Protocol;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::frames::{GOAWAY, HEADERS, PREFACE, SETTINGS, frame};
use super::grpc::{Call, next, server};
use super::interims_http2::{client, get, interim, put, whole};
use super::speech::{self, Front, Pair, channel, collect, data, full};
use super::support::{Backend, Wire, within};

const BOTH: [Front; 2] = [Front::Http1, Front::Http2];
/// More than HTTP/2 lets anybody send without being asked for more.
const LARGE: usize = 1 << 20;

pub fn head(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

pub async fn call(calls: &mut UnboundedReceiver<Call>) -> Call {
    within(calls.recv()).await.unwrap()
}

/// Answers with `ok`.
pub fn answer(call: &mut Call) {
    call.respond.send_response(head(200), false).unwrap().send_data(Bytes::from_static(b"ok"), true).unwrap();
}

/// What a request's body ends with before its end.
pub async fn cut(body: &mut RecvStream) -> Reason {
    loop {
        let data = within(body.data()).await.expect("the body looks whole");
        if let Err(error) = data {
            return error.reason().unwrap();
        }
    }
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

/// Reads a request and says goodbye, with the last request of which notice was taken: none.
async fn say_goodbye(mut wire: Wire) {
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
}

/// Answers all calls with `ok`, but reads their bodies first.
async fn serve(wire: Wire) {
    let mut connection = h2::server::handshake(wire.stream).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(async move {
            let mut call = Call { request, respond };
            let mut came = Vec::new();
            while !call.request.body().is_end_stream() {
                came.extend(next(call.request.body_mut()).await);
            }
            assert_eq!(came, b"hello");
            answer(&mut call);
        });
    }
}

#[tokio::test]
async fn what_came_after_a_goodbye_is_sent_again_on_another_connection() {
    let is_first = AtomicBool::new(true);
    let backend = Backend::start("blog", move |wire| {
        let is_first = is_first.swap(false, Ordering::SeqCst);
        async move { if is_first { say_goodbye(wire).await } else { serve(wire).await } }
    })
    .await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = pair.client(Front::Http2).await;
    let answer = client.post("/", full("hello")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(collect(answer.into_body()).await.0, "ok");
    assert_eq!(backend.accepted(), 2);
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

/// An upload of which the first part was sent, and which has its answer already.
async fn answered_early(
    client: &mut SendRequest<Bytes>,
    calls: &mut UnboundedReceiver<Call>,
) -> (SendStream<Bytes>, Call) {
    let request = Request::post("http://blog.test/").body(()).unwrap();
    let (answered, mut sending) = client.send_request(request, false).unwrap();
    sending.send_data(Bytes::from(vec![0; LARGE]), false).unwrap();
    let mut served = call(calls).await;
    answer_early(&mut served);
    assert_eq!(whole(answered).await, (vec![413], "big".to_owned()));
    (sending, served)
}

#[tokio::test]
async fn an_app_may_answer_first_and_read_on() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair, Front::Http2).await;
    let (mut sending, served) = answered_early(&mut client, &mut calls).await;
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
    let (mut sending, mut served) = answered_early(&mut client, &mut calls).await;
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
        assert_eq!(speech::next(&mut answered).await.unwrap().unwrap(), "half");
        body.send_reset(Reason::NO_ERROR);
        assert!(speech::next(&mut answered).await.unwrap().is_err(), "{front:?}");
        assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, Some("H18"));
    }
}

/// Over HTTP/2 as over HTTP/1.1: a connection that has served may be gone by the time it is used again.
#[tokio::test]
async fn what_is_lost_on_a_connection_that_ends_is_sent_again_where_the_method_allows_it() {
    let backend = Backend::start("blog", |wire| async move {
        let mut connection = h2::server::handshake(wire.stream).await.unwrap();
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        answer(&mut Call { request, respond });
        // The second one is read, and the connection ends.
        connection.accept().await;
    })
    .await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = pair.client(Front::Http2).await;
    for (method, statuses) in [("PUT", [200, 200, 200]), ("POST", [502, 200, 502])] {
        for status in statuses {
            let request = client.request(method, "/").body(full("hello")).unwrap();
            let answer = client.send(request).await.unwrap();
            assert_eq!(answer.status(), status, "{method}");
            drop(collect(answer.into_body()).await);
        }
    }
}

#[tokio::test]
async fn a_connection_that_rests_for_too_long_is_ended() {
    let (tell, mut ended) = unbounded_channel();
    let backend = Backend::start("blog", move |wire| {
        let tell = tell.clone();
        async move {
            serve(wire).await;
            tell.send(()).unwrap();
        }
    })
    .await;
    let pair = Pair::with(
        &backend,
        Protocol::H2c,
        |_| {},
        |app| {
            let mut policy = Policy::default();
            policy.timeouts.upstream_idle = Duration::from_millis(10);
            app.policy = policy.into();
        },
    );
    let mut client = pair.client(Front::Http2).await;
    assert_eq!(collect(client.post("/", full("hello")).await.into_body()).await.0, "ok");
    within(ended.recv()).await.unwrap();
}
