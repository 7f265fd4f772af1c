//! The plugins of a term: which there are, who tells them what happens, and the socket that they call back on.

use std::error::Error;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::app::lease::while_held;
use crate::commands::dispatch;
use crate::commands::registry;
use crate::console::CommandIo;
use crate::face::Commands;
use crate::hooks::Hooks;
use crate::model::role::Caller;
use crate::plugin::Plugins;
use crate::plugin::places::Places;
use crate::process::confinement::Builder;
use crate::settings::Settings;
use crate::store::Store;

use super::face::Face;

/// How long a command may take to tidy up that would wait for itself.
const GRACE: Duration = Duration::from_secs(5);
/// The variable in which an executable's client passes its token on.
const TOKEN: &str = "SLIPWAY_TOKEN";

/// Reads the plugins. One that is broken is left out; it never keeps the server from starting.
pub(super) async fn open(
    settings: &Settings,
    store: &Store,
    binary: &Path,
) -> Result<(Plugins, Hooks), Box<dyn Error>> {
    let plugins = Plugins::open(Places::new(&settings.root), registry::is_taken)?;
    store.add_bundled_plugins(plugins.bundled()?).await?;
    plugins.reload(&store.plugins().await?);
    let builder = Builder::probe(binary.to_owned()).await;
    if let Some(reason) = builder.refused() {
        tracing::warn!(reason, "plugins run without walls of their own");
    }
    let hooks = Hooks::new(plugins.clone(), store.clone(), &settings.root, builder);
    Ok((plugins, hooks))
}

/// The commands as executables of plugins see them: those that their token opens.
#[derive(Clone)]
pub(super) struct PluginFace(pub(super) Face);

impl Commands for PluginFace {
    async fn identify(&self, _: &str) -> Option<Caller> {
        None
    }

    async fn tunnel(&self, _: &Caller, _: &str, _: u16) -> Option<TcpStream> {
        None
    }

    async fn execute(&self, _: Caller, words: Vec<String>, io: CommandIo) -> u8 {
        let app = self.0.0.clone();
        let token = io.environment.get(TOKEN).map(String::as_str).unwrap_or_default();
        let Some(session) = app.hooks.callbacks().find(token) else {
            io.console.warn("Access denied").await;
            io.console
                .warn("SLIPWAY_TOKEN is that of no run: it ends with the executable that it was given to")
                .await;
            return 1;
        };
        let (caller, console) = (session.caller(), io.console.clone());
        let deploying = match caller.pass.as_ref().and_then(|pass| pass.deploying.clone()) {
            Some(name) => app.store.app(&name).await.ok().flatten(),
            None => None,
        };
        let (gone, waits) = (io.client_gone.clone(), CancellationToken::new());
        let work = session.on_behalf(dispatch::execute(app, caller, words, io));
        let Some(record) = deploying else { return work.await };
        let mut work = pin!(while_held(record.id, waits.clone(), work));
        tokio::select! {
            status = &mut work => return status,
            () = waits.cancelled() => {}
        }
        // As if its client had gone: what can be cancelled tidies up.
        gone.cancel();
        let status = timeout(GRACE, work).await.unwrap_or(1);
        console.warn(format!("This would wait for the deploy of {} to end", record.name)).await;
        console.warn("That deploy waits for this hook: leave it to a hook that no deploy waits for").await;
        status.max(1)
    }
}
