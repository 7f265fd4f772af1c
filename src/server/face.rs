//! The commands as the faces see them.

use std::sync::Arc;

use crate::app::App;
use crate::commands::dispatch;
use crate::console::CommandIo;
use crate::face::Commands;
use crate::model::role::Caller;

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

    async fn execute(&self, caller: Caller, words: Vec<String>, io: CommandIo) -> u8 {
        dispatch::execute(self.0.clone(), caller, words, io).await
    }
}
