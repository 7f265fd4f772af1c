//! Runs the router alone, from a file: for benchmarks and for trying things out.
//!
//! ```text
//! cargo run --release -p slipway-router --example router -- routes.toml
//! ```
//!
//! ```toml
//! listen = "127.0.0.1:8080"
//! listen-https = "127.0.0.1:8443"     # no HTTPS if absent
//! certificate = "cert.pem"
//! key = "key.pem"
//! workers = 1                         # as many as cores if absent
//! access-log = "access.log"           # none if absent
//!
//! [[apps]]
//! app = "blog"
//! hosts = [{ host = "blog.localhost" }]
//! ports = [{ entrance = "http", container-port = 5000 }]
//! instances = [{ id = "1", label = "web.1", address = "127.0.0.1" }]
//! ```
//!
//! It says where it listens on the first line of its output, and stops politely on SIGINT or SIGTERM.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::prctl::set_thp_disable;
use serde::Deserialize;
use slipway_router::Router;
use slipway_router::access_log::AccessRecords;
use slipway_router::certificate::Certificate;
use slipway_router::settings::RouterSettings;
use slipway_router::table::{AppRoutes, TableSpec};
use tokio::signal::unix::{SignalKind, signal};

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Routes {
    listen: SocketAddr,
    listen_https: Option<SocketAddr>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    workers: Option<NonZeroUsize>,
    access_log: Option<PathBuf>,
    apps: Vec<AppRoutes>,
}

/// The binary's allocator, so that what is measured here is what runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // As the binary does, which would keep memory of which little is used.
    set_thp_disable(true)?;
    let file = std::env::args_os().nth(1).ok_or("name a file with routes")?;
    let text = std::fs::read_to_string(Path::new(&file))?;
    let Routes { listen, listen_https, certificate, key, workers, access_log, apps } = toml::from_str(&text)?;

    let bound = Router::bind(RouterSettings { listen, listen_https, workers, ..RouterSettings::default() })?;
    let address = bound.http_address();
    let (router, records) = bound.start()?;
    if let (Some(certificate), Some(key)) = (certificate, key) {
        router.set_certificates(vec![Certificate::from_pem(
            &std::fs::read(certificate)?,
            &std::fs::read(key)?,
        )?]);
    }
    if let Some(port) = router.publish(&TableSpec { apps })?.unbound.into_iter().next() {
        return Err(port.into());
    }
    writeln!(std::io::stdout(), "listening on http://{address}")?;

    let log = access_log.map(File::create).transpose()?;
    let writing = tokio::spawn(write_log(records, log));
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let cut = router.shutdown(Duration::from_secs(10)).await;
    writing.await??;
    writeln!(std::io::stdout(), "stopped; connections cut: {cut}")?;
    writeln!(std::io::stdout(), "access records dropped: {}", router.dropped_records())?;
    Ok(())
}

/// Reads the records even where nobody wants them: a router that logs is what is to be measured.
async fn write_log(mut records: AccessRecords, log: Option<File>) -> std::io::Result<()> {
    let mut log = log.map(BufWriter::new);
    let mut line = String::new();
    while let Some(batch) = records.next_batch().await {
        let Some(log) = &mut log else { continue };
        for record in batch {
            line.clear();
            record.write(&mut line);
            line.push('\n');
            log.write_all(line.as_bytes())?;
        }
        log.flush()?;
    }
    Ok(())
}
