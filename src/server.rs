//! The composition root: makes the handles, starts what runs, and ends it in order.
//!
//! What stands (sockets, router) outlives a term, and in a term everything else lives that needs the database. A
//! server that hands over ends its term and serves on from the last table; if the next one fails, it begins another
//! term, as if nothing had been.

mod access;
mod certificates;
mod face;
mod hand_over;
mod listen_fds;
mod metrics;
mod plugins;
mod prepare;
mod standing;
mod state;
mod surroundings;
mod take_over;
mod taken;
mod term;
mod trust;

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;

use nix::sys::prctl;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::handover::message::FromNew;
use crate::handover::notify::{News, notify};
use crate::settings::Settings;

use standing::Standing;
use state::make_directories;
use term::End;

/// Runs the server until SIGTERM or SIGINT, or until another one has taken its place. One that `takes_over` gets its
/// sockets from the server that started it, over standard input.
pub fn run(takes_over: bool) -> ExitCode {
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => return fail(&error),
    };
    let filter = match EnvFilter::try_new(&settings.log) {
        Ok(filter) => filter,
        Err(error) => return fail(&error),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    // The allocator asks for huge pages, of which an idle server fills little and keeps all: 27 MiB instead of 5.
    if let Err(error) = prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages stay in use");
    }
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(serve(settings, takes_over)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

#[expect(clippy::print_stderr, reason = "nobody may read the log yet")]
fn fail(error: &dyn Error) -> ExitCode {
    let message = format!("The server cannot start: {}", chain(error));
    message.lines().for_each(|line| eprintln!(" !     {line}"));
    ExitCode::FAILURE
}

/// An error with all that is below it.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    message
}

async fn serve(settings: Settings, takes_over: bool) -> Result<(), Box<dyn Error>> {
    make_directories(&settings.root)?;
    let stop = CancellationToken::new();
    let stopping = stop_on_signal(stop.clone())?;
    // Whoever is heard only later must not be what ends the process.
    let _asked = signal(SignalKind::user_defined2())?;
    // Before it can be replaced by a newer one of the same name.
    let binary = env::current_exe()?;
    let standing = if takes_over {
        let channel = take_over::stream()?;
        tokio::select! {
            standing = take_over::take_over(settings, binary, channel) => standing?,
            () = stop.cancelled() => return Ok(()),
        }
    } else {
        Standing::alone(settings, binary).await?
    };
    let served = serve_terms(Standing { stop, ..standing }).await;
    stopping.abort();
    served
}

/// One term after the other, until the server stops or another one serves.
async fn serve_terms(mut standing: Standing) -> Result<(), Box<dyn Error>> {
    loop {
        match term::run(&mut standing).await {
            Ok(End::Stopped) => return Ok(()),
            Ok(End::HandedOver(handed)) => {
                if hand_over::give(&mut standing, *handed).await? {
                    return Ok(());
                }
            }
            Err(error) => {
                standing.predecessors.tell(&FromNew::Failed { reason: chain(error.as_ref()) });
                // Waits until it is said.
                standing.predecessors.release().await;
                return Err(error);
            }
        }
    }
}

fn stop_on_signal(stop: CancellationToken) -> io::Result<JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        notify(News::Stopping);
        stop.cancel();
    }))
}
