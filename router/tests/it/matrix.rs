//! The same exchanges over each protocol in front and each behind.

use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming};
use slipway_router::table::Protocol;
use tokio::sync::mpsc;

use super::speech::{
    AnyBody, Front, Pair, backend, channel, collect, data, empty, everywhere, full, next, trailers,
};
use super::support::{Backend, within};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// Sends the request's body back, frame by frame.
fn echo(mut body: Incoming) -> AnyBody {
    let (sender, answer) = channel();
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            // Nobody may want it any more.
            if sender.send(frame.map_err(Into::into)).is_err() {
                return;
            }
        }
    });
    answer
}

fn header<'a>(request: &'a Request<Incoming>, name: &str) -> &'a str {
    request.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn answer(request: Request<Incoming>) -> Response<AnyBody> {
    let version = format!("{:?}", request.version());
    let host = request.uri().authority().map_or(header(&request, "host").to_owned(), ToString::to_string);
    let respond = Response::builder()
        .header("x-version", version)
        .header("x-host", host)
        .header("x-cookie", header(&request, "cookie"))
        .header("x-proto", header(&request, "x-forwarded-proto"))
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2");
    match request.uri().path() {
        "/echo" => respond.body(echo(request.into_body())).unwrap(),
        "/204" => respond.status(204).body(empty()).unwrap(),
        "/304" => respond.status(304).header("etag", "\"x\"").body(empty()).unwrap(),
        "/early" => respond.status(413).body(full("big")).unwrap(),
        "/trailers" => {
            let (sender, body) = channel();
            sender.send(data("hi")).unwrap();
            sender.send(trailers("x-sum", "7")).unwrap();
            respond.header("trailer", "x-sum").body(body).unwrap()
        }
        "/cut" => {
            let (sender, body) = channel();
            sender.send(data("hello")).unwrap();
            let mut request = request.into_body();
            tokio::spawn(async move {
                // The client has seen the beginning once its request goes on.
                drop(request.frame().await);
                drop(sender.send(Err("as a test".into())));
            });
            respond.body(body).unwrap()
        }
        _ => respond.body(full("hello")).unwrap(),
    }
}

async fn serving(back: Protocol) -> (Backend, Pair) {
    let backend = backend(back, answer).await;
    let pair = Pair::new(&backend, back);
    (backend, pair)
}

#[tokio::test]
async fn a_request_and_its_answer() {
    everywhere(|front, back| async move {
        let (_backend, pair) = serving(back).await;
        let mut client = pair.client(front).await;
        for _ in 0..3 {
            let request = client.request("GET", "/").header("cookie", "c=3; d=4").body(empty()).unwrap();
            let answer = client.send(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let headers = answer.headers().clone();
            assert_eq!(headers["x-version"], if back == Protocol::H2c { "HTTP/2.0" } else { "HTTP/1.1" });
            assert_eq!(headers["x-host"], "blog.test");
            assert_eq!(headers["x-cookie"], "c=3; d=4");
            let encrypted = matches!(front, Front::Http1Tls | Front::Http2Tls);
            assert_eq!(headers["x-proto"], if encrypted { "https" } else { "http" });
            assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
            assert_eq!(headers["content-length"], "5", "{front:?} {back:?}");
            assert!(!headers.contains_key("connection"));
            assert_eq!(collect(answer.into_body()).await.0, "hello");
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_with_a_length_and_one_without() {
    everywhere(|front, back| async move {
        let (_backend, pair) = serving(back).await;
        let mut client = pair.client(front).await;
        let answer = client.post("/echo", full("with a length")).await;
        assert_eq!(collect(answer.into_body()).await.0, "with a length", "{front:?} {back:?}");
        for method in ["POST", "GET"] {
            let (sender, body) = channel();
            let mut request = client.request(method, "/echo").body(body).unwrap();
            if !front.is_http2() && method == "GET" {
                request.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
            }
            sender.send(data("one, ")).unwrap();
            let mut answer = client.send(request).await.unwrap().into_body();
            assert_eq!(next(&mut answer).await.unwrap().unwrap(), "one, ", "{front:?} {back:?} {method}");
            // Each part arrives when it is sent, in both directions.
            sender.send(data("two")).unwrap();
            assert_eq!(next(&mut answer).await.unwrap().unwrap(), "two");
            drop(sender);
            assert!(next(&mut answer).await.is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn answers_without_a_body() {
    everywhere(|front, back| async move {
        let (_backend, pair) = serving(back).await;
        let mut client = pair.client(front).await;
        for (path, status) in [("/204", 204), ("/304", 304)] {
            let answer = client.get(path).await;
            assert_eq!(answer.status(), status);
            assert_eq!(collect(answer.into_body()).await.0, "");
        }
        let head = client.request("HEAD", "/").body(empty()).unwrap();
        let answer = client.send(head).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-length"]),
            (200, &"5".parse().unwrap())
        );
        assert_eq!(collect(answer.into_body()).await.0, "");
        // The router's own answer to HEAD has none either.
        let mut head = client.request("HEAD", "/").body(empty()).unwrap();
        if front.is_http2() {
            *head.uri_mut() = "http://nobody.test/".parse().unwrap();
        } else {
            head.headers_mut().insert("host", "nobody.test".parse().unwrap());
        }
        let answer = client.send(head).await.unwrap();
        assert!(matches!(answer.status().as_u16(), 404 | 421), "{}", answer.status());
        assert_eq!(collect(answer.into_body()).await.0, "");
        assert_eq!(collect(client.get("/").await.into_body()).await.0, "hello", "{front:?} {back:?}");
    })
    .await;
}

#[tokio::test]
async fn trailers_in_both_directions() {
    everywhere(|front, back| async move {
        let (_backend, pair) = serving(back).await;
        let mut client = pair.client(front).await;
        let request = client.request("GET", "/trailers").header("te", "trailers");
        let request = if front.is_http2() { request } else { request.header("connection", "te") };
        let answer = client.send(request.body(empty()).unwrap()).await.unwrap();
        let (body, trailers_came) = collect(answer.into_body()).await;
        assert_eq!((&body[..], &trailers_came.unwrap()["x-sum"]), (&b"hi"[..], &"7".parse().unwrap()));
        if back == Protocol::Http1 || !front.is_http2() {
            // hyper sends trailers over HTTP/1.1 only if they are declared, and an echo declares nothing.
            return;
        }
        let (sender, body) = channel();
        sender.send(data("hi")).unwrap();
        sender.send(trailers("x-sum", "8")).unwrap();
        drop(sender);
        let answer = client.post("/echo", body).await;
        let (_, trailers_came) = collect(answer.into_body()).await;
        assert_eq!(trailers_came.unwrap()["x-sum"], "8");
    })
    .await;
}

#[tokio::test]
async fn an_early_answer() {
    everywhere(|front, back| async move {
        let (_backend, pair) = serving(back).await;
        let mut client = pair.client(front).await;
        let (sender, body) = channel();
        sender.send(data(vec![0; 1000])).unwrap();
        let answer = client.post("/early", body).await;
        assert_eq!(answer.status(), 413, "{front:?} {back:?}");
        assert_eq!(collect(answer.into_body()).await.0, "big");
        drop(sender);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_cut_looks_whole_to_nobody() {
    everywhere(|front, back| async move {
        let (_backend, mut pair) = serving(back).await;
        let mut client = pair.client(front).await;
        let (sender, body) = channel();
        let mut answer = client.post("/cut", body).await.into_body();
        assert_eq!(next(&mut answer).await.unwrap().unwrap(), "hello");
        sender.send(data("go on")).unwrap();
        assert!(next(&mut answer).await.unwrap().is_err(), "{front:?} {back:?}");
        let records = within(pair.records.next_batch()).await.unwrap();
        assert_eq!(records[0].code, Some("H18"));
        if front.is_http2() {
            // Only the stream was cut.
            assert_eq!(collect(client.get("/").await.into_body()).await.0, "hello");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_cut_looks_whole_to_no_app() {
    everywhere(|front, back| async move {
        let (report, mut reports) = mpsc::unbounded_channel();
        let backend = backend(back, move |request: Request<Incoming>| {
            let report = report.clone();
            async move {
                let mut body = request.into_body();
                tokio::spawn(async move {
                    let mut whole = true;
                    while let (true, Some(frame)) = (whole, body.frame().await) {
                        whole = frame.is_ok();
                        report.send(frame.map(|frame| frame.into_data().unwrap())).unwrap();
                    }
                });
                Response::new(channel().1)
            }
        })
        .await;
        let pair = Pair::new(&backend, back);
        let mut client = pair.client(front).await;
        let (sender, body) = channel();
        sender.send(data("hello")).unwrap();
        let request = client.request("POST", "/").body(body).unwrap();
        let sent = tokio::spawn(async move { drop(client.send(request).await) });
        assert_eq!(within(reports.recv()).await.unwrap().unwrap(), "hello");
        sender.send(Err("as a test".into())).unwrap();
        assert!(within(reports.recv()).await.unwrap().is_err(), "{front:?} {back:?}");
        sent.abort();
    })
    .await;
}

#[tokio::test]
async fn large_bodies_in_both_directions() {
    everywhere(|front, back| async move {
        let (_backend, pair) = serving(back).await;
        let mut client = pair.client(front).await;
        let both_new = front == Front::Http2Tls && back == Protocol::H2c;
        let length = if both_new { 50 << 20 } else { 5 << 20 };
        let sent = pattern(length);
        let answer = client.post("/echo", full(sent.clone())).await;
        let (came, _) = collect(answer.into_body()).await;
        assert!(came == sent, "{front:?} {back:?}: {} of {} bytes", came.len(), sent.len());
    })
    .await;
}

#[tokio::test]
async fn requests_at_the_same_time() {
    everywhere(|front, back| async move {
        let (backend, pair) = serving(back).await;
        let mut all = Vec::new();
        let mut client = pair.client(front).await;
        for index in 0..150 {
            let (sender, body) = channel();
            sender.send(data(format!("{index}"))).unwrap();
            if !front.is_http2() {
                client = pair.client(front).await;
            } else if index == 100 {
                // The router takes 128 at a time on one connection.
                client = pair.client(front).await;
            }
            let answer = client.post("/echo", body).await;
            all.push((index, sender, answer.into_body()));
        }
        for (index, sender, mut answer) in all {
            assert_eq!(next(&mut answer).await.unwrap().unwrap(), format!("{index}"));
            sender.send(data("end")).unwrap();
            drop(sender);
            assert_eq!(next(&mut answer).await.unwrap().unwrap(), "end");
            assert!(next(&mut answer).await.is_none());
        }
        if back == Protocol::H2c {
            assert_eq!(backend.accepted(), 2, "a hundred to a connection");
        }
    })
    .await;
}
