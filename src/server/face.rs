//! The commands as the faces see them.

use std::sync::Arc;

use tokio::net::TcpStream;

use crate::app::App;
use crate::commands::dispatch;
use crate::console::CommandIo;
use crate::face::Commands;
use crate::model::role::Caller;
use crate::services::tunnel;

/// All of them, with the handles that they need.
#[derive(Clone)]
pub(super) struct Face(pub(super) Arc<App>);

impl Commands for Face {
    async fn identify(&self, fingerprint: &str) -> Option<Caller> {
        match self.0.store.key_by_fingerprint(fingerprint).await {
            Ok(key) => key.map(|key| Caller {
                name: key.name,
                fingerprint: Some(key.fingerprint),
                role: key.role,
                access: key.access,
                pass: None,
            }),
            Err(error) => {
                tracing::error!(%error, "a key cannot be looked up");
                None
            }
        }
    }

    async fn tunnel(&self, caller: &Caller, host: &str, port: u16) -> Option<TcpStream> {
        match tunnel::open(&self.0, caller, host, port).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(host, port, %error, "a tunnel to a service cannot be opened");
                None
            }
        }
    }

    async fn execute(&self, caller: Caller, words: Vec<String>, io: CommandIo) -> u8 {
        dispatch::execute(self.0.clone(), caller, words, io).await
    }
}
