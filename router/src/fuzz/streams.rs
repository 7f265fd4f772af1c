//! Whatever follows a stream of bytes: it has to see the same however the bytes are cut, and what hyper sees.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::rustls::server::Acceptor;

use crate::challenges;
use crate::client_stream::ConnectionFlags;
use crate::frame_watch::{FrameWatch, PREFACE};
use crate::head_watch::{HeadWatch, Offences};
use crate::interim_watch::{InterimLink, InterimWatch};
use crate::proxy_header::ends;
use crate::tls::server_name;
use crate::websocket_frames::WebsocketFrames;

/// More interim answers to one request than these are not passed on.
const MOST_INTERIMS: usize = 32;

/// What comes of the input, which must not depend on how it is cut.
fn however_cut<S: PartialEq + Debug>(
    input: &[u8],
    watch: impl Fn(&mut dyn Iterator<Item = &[u8]>) -> S,
) -> S {
    let whole = watch(&mut input.chunks(input.len().max(1)));
    for step in [1, 7] {
        assert_eq!(watch(&mut input.chunks(step)), whole, "in steps of {step}");
    }
    whole
}

/// Only what begins like a header is one.
pub(super) fn proxy_header(input: &[u8]) {
    if ends(input).is_ok() {
        assert!(
            input.starts_with(b"PROXY ")
                || input.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21")
                || input.get(12) == Some(&0x20)
        );
    }
}

/// A client's hello that is a question of an authority offers one protocol, and a name is in lower case.
pub(super) fn client_hello(input: &[u8]) {
    let mut acceptor = Acceptor::default();
    let mut rest = input;
    while !rest.is_empty() {
        if !acceptor.read_tls(&mut rest).is_ok_and(|count| count > 0) {
            return;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Err(_) => return,
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                if let Some(name) = server_name(&hello) {
                    assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
                }
                let offered = hello.alpn().map_or(0, Iterator::count);
                assert!(!challenges::is_question(&hello) || offered == 1);
                return;
            }
        }
    }
}

/// The input is what follows the preface.
pub(super) fn frame_watch(input: &[u8]) {
    however_cut(input, |parts| {
        let mut watch = FrameWatch::default();
        watch.feed(PREFACE);
        parts.for_each(|part| watch.feed(part));
        (watch.is_inside_head(), watch.is_between_frames(), watch.is_flood(0))
    });
}

/// Nothing may be said after a goodbye.
pub(super) fn websocket_frames(input: &[u8]) {
    let fed = |bytes: &[u8]| {
        however_cut(bytes, |parts| {
            let mut frames = WebsocketFrames::default();
            parts.for_each(|part| frames.feed(part));
            frames.is_between_frames()
        })
    };
    if fed(input) {
        assert!(fed(&[input, b"\x81\x02hi"].concat()) && !fed(&[input, b"\x88\0"].concat()));
    }
}

/// As many interim answers are passed on as hyper sees, and each is a whole head without a body.
pub(super) fn interims(input: &[u8]) {
    let passed = however_cut(input, |parts| {
        let (client, link) = (Arc::<ConnectionFlags>::default(), Arc::<InterimLink>::default());
        let mut watch = InterimWatch::new(&link);
        link.await_for(&client);
        parts.for_each(|part| watch.feed(part));
        client.interims.take()
    });
    let mut statuses = Vec::new();
    let mut rest = passed.as_slice();
    while !rest.is_empty() {
        let mut room = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Response::new(&mut room);
        let parsed = head.parse(rest);
        assert!(parsed.is_ok_and(|status| status.is_complete()), "{rest:?} is no head");
        let Ok(httparse::Status::Complete(length)) = parsed else { return };
        let framing = ["content-length", "transfer-encoding", "connection"];
        assert!(head.headers.iter().all(|header| !framing.contains(&header.name)));
        statuses.extend(head.code);
        rest = rest.get(length..).unwrap_or_default();
    }
    let mut heard = heard_by_hyper(input);
    heard.truncate(MOST_INTERIMS);
    assert_eq!(statuses, heard);
}

/// The interim answers that hyper tells of, but for 100.
fn heard_by_hyper(input: &[u8]) -> Vec<u16> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return Vec::new() };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let mut request = Request::new(String::new());
    hyper::ext::on_informational(&mut request, move |answer| {
        hearing.lock().unwrap_or_else(PoisonError::into_inner).push(answer.status().as_u16());
    });
    runtime.block_on(async {
        let (near, mut far) = duplex(64 << 10);
        let Ok((mut sender, connection)) = handshake(TokioIo::new(near)).await else { return };
        let instance = async move {
            // What comes before there is a request is no answer.
            let read = far.read(&mut [0; 1024]).await;
            let written = far.write_all(input).await;
            drop((read, written, far));
        };
        // However it ends, what counts is what was heard. A body that is held and not read would be waited for.
        let client = async move { drop(sender.send_request(request).await) };
        drop(tokio::join!(client, connection, instance));
    });
    let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    heard.into_iter().filter(|status| *status != 100).collect()
}

/// The watch sees the same however its input is cut, and, unless it refuses or has lost its way, as many requests as
/// hyper has answered.
pub(super) fn head_watch(input: &[u8]) {
    let watched = |step: usize| {
        let (mut watch, offences) = (HeadWatch::default(), Offences::default());
        for part in input.chunks(step) {
            watch.feed(part, &offences);
        }
        let heads = watch.heads();
        let first = (1..=heads + 1).find(|request| offences.of(*request).is_some());
        (heads, first)
    };
    let (heads, offence) = watched(input.len().max(1));
    assert_eq!((heads, offence), watched(1));
    assert_eq!((heads, offence), watched(7));
    let answered = answered_by_hyper(input);
    assert!(
        heads >= answered || offence.is_some_and(|request| request <= answered),
        "{heads} {answered} {offence:?}"
    );
}

/// How many requests hyper hands to a service.
fn answered_by_hyper(input: &[u8]) -> u64 {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return 0 };
    let count = Rc::new(Cell::new(0));
    let counter = Rc::clone(&count);
    let service = service_fn(move |request: Request<Incoming>| {
        counter.set(counter.get() + 1);
        let mut body = request.into_body();
        async move {
            while let Some(Ok(_)) =
                std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
            {}
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let io = TokioIo::new(tokio::io::join(input, tokio::io::sink()));
    // However it ends, what counts is how far it came.
    let ended = runtime.block_on(http1::Builder::new().serve_connection(io, service));
    drop(ended);
    count.get()
}
