//! `/metrics` and `/health` on an address of their own, for who watches the host. Off unless `metrics-listen` is set.

mod figures;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;

use super::taken::CannotListen;

/// Connections at a time: who asks for figures is one, or a few.
const MOST_CONNECTIONS: usize = 32;
/// How long a client may take for its request's head.
const HEAD: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);
/// OpenMetrics, which Prometheus reads.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The listener, if there shall be one.
#[derive(Debug)]
pub(super) struct Door(Option<TcpListener>);

impl Door {
    /// Takes the port. Nothing is accepted before `serve`.
    pub(super) async fn bind(address: Option<SocketAddr>) -> Result<Self, CannotListen> {
        let Some(address) = address else { return Ok(Self(None)) };
        let bound = TcpListener::bind(address).await;
        Ok(Self(Some(bound.map_err(|error| CannotListen::new(address, "metrics-listen", &error))?)))
    }

    /// Where it listens, if it does.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Answers until the server stops.
    pub(super) async fn serve(self, app: Arc<App>, shutdown: CancellationToken) {
        let Some(listener) = self.0 else { return };
        let (tracker, places) = (TaskTracker::new(), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (app, shutdown) = (app.clone(), shutdown.clone());
                    tracker.spawn(async move {
                        shutdown.run_until_cancelled(talk(stream, app)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection for metrics cannot be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
        tracker.close();
        tracker.wait().await;
    }
}

async fn talk(stream: TcpStream, app: Arc<App>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(answer(&app, &request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for metrics broke off");
    }
}

async fn answer(app: &App, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return page(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "Only GET is served here\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => match figures::text(app).await {
            Ok(text) => page(StatusCode::OK, TEXT, text),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "metrics cannot be given");
                page(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{error}\n"))
            }
        },
        "/health" => health(app).await,
        _ => page(StatusCode::NOT_FOUND, "text/plain", "There are /metrics and /health\n".to_owned()),
    }
}

/// Whether this server can do its work: it has its database. The engine may be restarted meanwhile.
async fn health(app: &App) -> Response<Full<Bytes>> {
    let database = app.store.app_numbers(Vec::new()).await.is_ok();
    let engine = app.engine.running().await.is_ok();
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let version = env!("CARGO_PKG_VERSION");
    let body = serde_json::json!({ "healthy": database, "database": database, "engine": engine, "version": version });
    page(status, "application/json", format!("{body}\n"))
}

fn page(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
