//! The pushes that are being received: how the hook's connection finds its way back to who pushes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::model::role::Caller;
use crate::store::apps::AppId;

/// One push, from the start of `git receive-pack` to its end.
#[derive(Clone, Debug)]
pub struct Push {
    /// The app that is pushed to.
    pub app: AppId,
    /// Who pushes.
    pub caller: Caller,
    /// Cancelled when they go away.
    pub client_gone: CancellationToken,
}

/// Pushes by the token that only git's own process and its hook are given.
#[derive(Debug, Default)]
pub struct Pushes {
    /// Protects the map only; never held across an await.
    pushes: Mutex<HashMap<String, Push>>,
}

impl Pushes {
    /// Enters a push and returns its token: 128 random bits in hexadecimal.
    pub fn enter(&self, push: Push) -> String {
        let token = format!("{:032x}", rand::random::<u128>());
        self.lock().insert(token.clone(), push);
        token
    }

    /// The push of that token, while it lasts.
    pub fn get(&self, token: &str) -> Option<Push> {
        self.lock().get(token).cloned()
    }

    /// Takes a push out: its git process has ended.
    pub fn leave(&self, token: &str) {
        self.lock().remove(token);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Push>> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
