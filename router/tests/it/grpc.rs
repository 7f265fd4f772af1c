//! gRPC through the router, on the level of HTTP/2 (its own rules: "gRPC over HTTP2").

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use hyper::{Request, Response};
use slipway_router::table::Protocol;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::speech::Pair;
use super::support::{Backend, Wire, within};

/// A call as the server sees it.
pub struct Call {
    pub request: Request<RecvStream>,
    pub respond: h2::server::SendResponse<Bytes>,
}

/// A server that hands its calls to the test.
pub async fn server() -> (Backend, mpsc::UnboundedReceiver<Call>) {
    let (calls, received) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |wire| {
        let calls = calls.clone();
        async move {
            let mut connection = h2::server::handshake(wire.stream).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                calls.send(Call { request, respond }).unwrap();
            }
        }
    })
    .await;
    (backend, received)
}

async fn client(pair: &Pair) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(pair.http).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    within(client.ready()).await.unwrap()
}

fn call() -> Request<()> {
    Request::post("http://blog.test/greet.Greeter/Hello")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "5S")
        .body(())
        .unwrap()
}

/// A message with its prefix.
fn message(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend((text.len() as u32).to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.into()
}

fn status(code: &str) -> hyper::HeaderMap {
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers.insert("grpc-message", "as a test".parse().unwrap());
    trailers
}

fn begin(call: &mut Call) -> SendStream<Bytes> {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    call.respond.send_response(head, false).unwrap()
}

pub async fn next(body: &mut RecvStream) -> Bytes {
    let data = within(body.data()).await.unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    data
}

#[tokio::test]
async fn messages_go_both_ways_at_the_same_time_and_trailers_come_last() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair).await;
    let (answer, mut sending) = client.send_request(call(), false).unwrap();
    let mut served = within(calls.recv()).await.unwrap();
    let head = &served.request;
    assert_eq!(head.uri(), "http://blog.test/greet.Greeter/Hello");
    assert_eq!(head.headers()["te"], "trailers");
    assert_eq!(head.headers()["grpc-timeout"], "5S");
    assert_eq!(head.headers()["content-type"], "application/grpc");
    assert!(!head.headers().contains_key("host") && !head.headers().contains_key("transfer-encoding"));
    let mut replying = begin(&mut served);
    let answer = within(answer).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let (mut requests, mut answers) = (served.request.into_body(), answer.into_body());
    for round in 0..20 {
        sending.send_data(message(&format!("question {round}")), false).unwrap();
        assert_eq!(next(&mut requests).await, message(&format!("question {round}")));
        replying.send_data(message(&format!("answer {round}")), false).unwrap();
        assert_eq!(next(&mut answers).await, message(&format!("answer {round}")));
    }
    sending.send_data(Bytes::new(), true).unwrap();
    while let Some(data) = within(requests.data()).await {
        assert!(data.unwrap().is_empty());
    }
    replying.send_trailers(status("0")).unwrap();
    while let Some(data) = within(answers.data()).await {
        assert!(data.unwrap().is_empty());
    }
    assert_eq!(within(answers.trailers()).await.unwrap().unwrap(), status("0"));
}

#[tokio::test]
async fn an_answer_may_be_nothing_but_trailers() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair).await;
    let (answer, _sending) = client.send_request(call(), false).unwrap();
    let mut served = within(calls.recv()).await.unwrap();
    let mut head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    head.headers_mut().extend(status("5"));
    served.respond.send_response(head, true).unwrap();
    let answer = within(answer).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "5");
    assert!(answer.body().is_end_stream());
}

/// A client's deadline ends the call behind the router as well, before the answer and in the middle of it.
#[tokio::test]
async fn a_call_that_the_client_gives_up_is_given_up_behind() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair).await;
    for answered in [false, true] {
        let (answer, mut sending) = client.send_request(call(), false).unwrap();
        sending.send_data(message("question"), false).unwrap();
        let mut served = within(calls.recv()).await.unwrap();
        next(served.request.body_mut()).await;
        let reason = if answered {
            let mut replying = begin(&mut served);
            let _answer = within(answer).await.unwrap();
            sending.send_reset(Reason::CANCEL);
            within(std::future::poll_fn(|cx| replying.poll_reset(cx))).await
        } else {
            sending.send_reset(Reason::CANCEL);
            within(std::future::poll_fn(|cx| served.respond.poll_reset(cx))).await
        };
        assert_eq!(reason.unwrap(), Reason::CANCEL, "answered: {answered}");
    }
    // The connection goes on.
    let (answer, _sending) = client.send_request(call(), true).unwrap();
    let mut served = within(calls.recv()).await.unwrap();
    begin(&mut served).send_trailers(status("0")).unwrap();
    assert_eq!(within(answer).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_call_that_the_server_resets_is_reset_with_its_reason() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair).await;
    let (answer, _sending) = client.send_request(call(), false).unwrap();
    let mut served = within(calls.recv()).await.unwrap();
    let mut replying = begin(&mut served);
    replying.send_data(message("answer"), false).unwrap();
    let mut answers = within(answer).await.unwrap().into_body();
    assert_eq!(next(&mut answers).await, message("answer"));
    replying.send_reset(Reason::ENHANCE_YOUR_CALM);
    let error = within(answers.data()).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn calls_share_a_connection_and_need_another_when_it_is_full() {
    let (taken, mut takes) = mpsc::unbounded_channel();
    let backend = Backend::start("blog", move |wire| {
        let taken = taken.clone();
        async move {
            let mut server = h2::server::Builder::new();
            server.max_concurrent_streams(3);
            let mut connection = server.handshake::<_, Bytes>(wire.stream).await.unwrap();
            while let Some(Ok((_, respond))) = connection.accept().await {
                taken.send(respond).unwrap();
            }
        }
    })
    .await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut client = client(&pair).await;
    let mut answers = Vec::new();
    let mut served = Vec::new();
    for _ in 0..7 {
        let (answer, _) = client.send_request(call(), true).unwrap();
        answers.push(answer);
        served.push(within(takes.recv()).await.unwrap());
    }
    assert_eq!(backend.accepted(), 3);
    for mut respond in served {
        let mut head = Response::new(());
        head.headers_mut().extend(status("0"));
        respond.send_response(head, true).unwrap();
    }
    for answer in answers {
        assert_eq!(within(answer).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn an_unread_answer_takes_nothing_from_others_on_its_connection() {
    let (backend, mut calls) = server().await;
    let pair = Pair::new(&backend, Protocol::H2c);
    let mut slow = Wire::connect(pair.http).await;
    slow.send("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n").await;
    let mut unread = within(calls.recv()).await.unwrap();
    // As much as anybody lets it send, of which the client reads nothing.
    begin(&mut unread).send_data(vec![0; 20 << 20].into(), false).unwrap();
    let mut client = client(&pair).await;
    for _ in 0..10 {
        let (answer, _) = client.send_request(call(), true).unwrap();
        let mut served = within(calls.recv()).await.unwrap();
        begin(&mut served).send_data(vec![1; 60_000].into(), true).unwrap();
        let mut body = within(answer).await.unwrap().into_body();
        let mut count = 0;
        while !body.is_end_stream() {
            count += next(&mut body).await.len();
        }
        assert_eq!(count, 60_000);
    }
    assert_eq!(backend.accepted(), 1);
}
