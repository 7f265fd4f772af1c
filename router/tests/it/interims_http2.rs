//! Interim answers (1xx) over HTTP/2, where browsers honour 103 (Early Hints), with h2 itself as the client.

use std::future::poll_fn;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use hyper::{Request, Response};
use slipway_router::table::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::interims::{FINAL, HINTS, backend};
use super::speech::{Front, Pair};
use super::stage::{asking, counting};
use super::support::{until, within};

const FRONTS: [Front; 2] = [Front::Http2, Front::Http2Tls];

pub async fn client(pair: &Pair, front: Front) -> SendRequest<Bytes> {
    match front {
        Front::Http2Tls => speak(pair.encrypted(b"h2").await).await,
        _ => speak(within(TcpStream::connect(pair.http)).await.unwrap()).await,
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> SendRequest<Bytes> {
    let (client, connection) = within(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    within(client.ready()).await.unwrap()
}

pub fn get(front: Front, path: &str) -> Request<()> {
    let scheme = if front == Front::Http2Tls { "https" } else { "http" };
    Request::get(format!("{scheme}://blog.test{path}")).body(()).unwrap()
}

/// The next interim answer; none if the answer has come.
pub async fn interim(answer: &mut ResponseFuture) -> Option<Response<()>> {
    within(poll_fn(|cx| answer.poll_informational(cx))).await.map(Result::unwrap)
}

/// The statuses until the first that is final, and the body.
pub async fn whole(mut answer: ResponseFuture) -> (Vec<u16>, String) {
    let mut statuses = Vec::new();
    while let Some(head) = interim(&mut answer).await {
        statuses.push(head.status().as_u16());
    }
    let answer = within(answer).await.unwrap();
    statuses.push(answer.status().as_u16());
    let (mut body, mut text) = (answer.into_body(), Vec::new());
    while let Some(data) = within(body.data()).await {
        text.extend(data.unwrap());
    }
    (statuses, String::from_utf8(text).unwrap())
}

pub async fn ask(client: &mut SendRequest<Bytes>, request: Request<()>) -> (Vec<u16>, String) {
    whole(client.send_request(request, true).unwrap().0).await
}

#[tokio::test]
async fn hints_come_before_the_answer_is_known() {
    let (backend, told) = backend(HINTS.to_owned(), FINAL).await;
    let pair = Pair::new(&backend, Protocol::Http1);
    for front in FRONTS {
        let mut client = client(&pair, front).await;
        for _ in 0..3 {
            let (mut answer, _) = client.send_request(get(front, "/"), true).unwrap();
            let hints = interim(&mut answer).await.unwrap();
            assert_eq!((hints.status().as_u16(), hints.headers().len()), (103, 1));
            assert_eq!(hints.headers()["link"], "</a.css>; rel=preload");
            told.add_permits(1);
            assert_eq!(whole(answer).await, (vec![200], "ok".to_owned()));
        }
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn several_arrive_in_order_also_in_one_piece_with_the_answer() {
    let hop = "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 9\r\n\
        Transfer-Encoding: chunked\r\nUpgrade: x\r\n\r\n";
    let all = format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}HTTP/1.1 100 Continue\r\n\r\n{hop}{FINAL}");
    let (backend, _told) = backend(all, "").await;
    let pair = Pair::new(&backend, Protocol::Http1);
    for front in FRONTS {
        let mut client = client(&pair, front).await;
        for _ in 0..3 {
            let answer = ask(&mut client, get(front, "/")).await;
            assert_eq!(answer, (vec![102, 103, 103, 200], "ok".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_flood_is_cut_off_and_the_answer_is_not() {
    let large = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "x".repeat(10_000));
    for (flood, most) in [(HINTS.repeat(10_000), 32), (large.repeat(20), 1)] {
        let (backend, _told) = backend(format!("{flood}{FINAL}"), "").await;
        let pair = Pair::new(&backend, Protocol::Http1);
        let mut client = client(&pair, Front::Http2).await;
        for _ in 0..2 {
            let (statuses, body) = ask(&mut client, get(Front::Http2, "/")).await;
            assert_eq!(statuses.len(), most + 1);
            assert_eq!((statuses.last(), body.as_str()), (Some(&200), "ok"));
        }
    }
}

#[tokio::test]
async fn a_client_may_give_up_between_hints_and_answer() {
    let (backend, ended) = counting(|mut wire, head| async move {
        wire.send(HINTS).await;
        if !head.line.contains("/slow") {
            wire.send(FINAL).await;
            return false;
        }
        wire.rest().await;
        true
    })
    .await;
    let mut pair = Pair::new(&backend, Protocol::Http1);
    let mut client = client(&pair, Front::Http2).await;
    for round in 1..=3 {
        let (mut answer, mut sending) = client.send_request(get(Front::Http2, "/slow"), true).unwrap();
        assert_eq!(interim(&mut answer).await.unwrap().status(), 103);
        sending.send_reset(Reason::CANCEL);
        until(|| ended.load(Ordering::SeqCst) == round).await;
        assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, Some("H27"));
        let answer = ask(&mut client, get(Front::Http2, "/")).await;
        assert_eq!(answer, (vec![103, 200], "ok".to_owned()));
        assert_eq!(within(pair.records.next_batch()).await.unwrap()[0].code, None);
    }
}

pub fn put(path: &str) -> Request<()> {
    let request = Request::put(format!("http://blog.test{path}"));
    request.header("expect", "100-continue").header("content-length", "5").body(()).unwrap()
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_by_the_app() {
    let (backend, mut heads) = asking().await;
    let pair = Pair::new(&backend, Protocol::Http1);
    let mut client = client(&pair, Front::Http2).await;
    for _ in 0..2 {
        let (mut answer, mut sending) = client.send_request(put("/"), false).unwrap();
        assert_eq!(within(heads.recv()).await.unwrap().get("expect"), Some("100-continue"));
        assert_eq!(interim(&mut answer).await.unwrap().status(), 100);
        sending.send_data(Bytes::from_static(b"hello"), true).unwrap();
        assert_eq!(whole(answer).await, (vec![200], "ok".to_owned()));
        // A refusal comes instead of the 100, and the body is never asked for.
        let (answer, _sending) = client.send_request(put("/refused"), false).unwrap();
        assert_eq!(whole(answer).await, (vec![401], "no".to_owned()));
        assert!(within(heads.recv()).await.unwrap().line.contains("/refused"));
    }
}
