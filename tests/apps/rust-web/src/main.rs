//! A small web service: says its language, and a greeting that the config var GREETING gives.
use std::convert::Infallible;
use std::error::Error;
use std::net::Ipv4Addr;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        println!("listening on {port}");
        tokio::spawn(serve(listener));
        signal(SignalKind::terminate())?.recv().await;
        Ok(())
    })
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(greet));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("{error}");
            }
        });
    }
}

async fn greet<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let greeting = std::env::var("GREETING").unwrap_or_default();
    Ok(Response::new(Full::from(format!("Rust says {greeting}\n"))))
}
