//! A client's connection that speaks HTTP/1.0 or HTTP/1.1.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use crate::client::{Client, wait_for_stop};
use crate::client_stream::ClientStream;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::proxy;
use crate::worker::Stopping;

/// Serves request after request, until either side has had enough.
pub(crate) async fn serve(client: Rc<Client>, stream: ClientStream, stopping: watch::Receiver<Stopping>) {
    let settings = &client.worker.settings;
    let service = service_fn(|request| {
        let (client, answer) = (Rc::clone(&client), proxy::serve(Rc::clone(&client), request));
        async move {
            let mut answer = answer.await;
            if client.worker.is_ending() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's deadline covers the rest between requests as well; the one for heads is the stream's.
        .header_read_timeout(settings.timeouts.keep_alive)
        // The buffer alone may overshoot, and the limit alone would let it grow.
        .max_header_size(settings.max_head_bytes)
        .max_buf_size(settings.max_head_bytes)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stopped = pin!(wait_for_stop(stopping, Stopping::Now));
    let mut is_stopping = false;
    let result = poll_fn(|cx| {
        if !is_stopping && stopped.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = result {
        if error.is_parse_too_large() {
            Exchange::refused(&client, Fault::HeadTooLarge);
        } else if error.is_parse() {
            Exchange::refused(&client, Fault::BadRequest("The request is not valid HTTP"));
        }
        // Clients go away in every state; what matters of it is in the access log.
        tracing::trace!(%error, "a client's connection ended");
    }
}
