//! Whose word on who asks is taken, read again on SIGHUP: lists of proxies change, and connections need not end for it.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;
use slipway_router::RouterHandle;

/// Waits for the signal until the server stops.
pub(super) fn start(router: RouterHandle, shutdown: CancellationToken) -> io::Result<JoinHandle<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => reload(&router).await,
                () = shutdown.cancelled() => break,
            }
        }
    }))
}

/// Settings that cannot be used change nothing.
async fn reload(router: &RouterHandle) {
    match tokio::task::spawn_blocking(Settings::load).await {
        Ok(Ok(settings)) => {
            router.set_trust(settings.router.trust());
            tracing::info!(proxies = %settings.router.trusted_proxies, "the trusted proxies are read");
        }
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the trusted proxies stay as they are");
        }
        Err(error) => tracing::error!(%error, "the settings were not read"),
    }
}
