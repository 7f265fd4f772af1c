//! The pushes that are being received: how the hook's connection finds its way back to who pushes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::app::lease::Lease;
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
    pushes: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    push: Push,
    /// Held from the hook's decision until git has moved the references.
    turn: Option<Lease>,
}

impl Pushes {
    /// Enters a push and returns its token: 128 random bits in hexadecimal.
    pub fn enter(&self, push: Push) -> String {
        let token = format!("{:032x}", rand::random::<u128>());
        self.lock().insert(token.clone(), Entry { push, turn: None });
        token
    }

    /// The push of that token, while it lasts.
    pub fn get(&self, token: &str) -> Option<Push> {
        self.lock().get(token).map(|entry| entry.push.clone())
    }

    /// Keeps the app's turn until the push is taken out. A push that is out already gives it back at once.
    pub fn keep_turn(&self, token: &str, turn: Lease) {
        if let Some(entry) = self.lock().get_mut(token) {
            entry.turn = Some(turn);
        }
    }

    /// Takes a push out, and gives back its turn: its git process has ended.
    pub fn leave(&self, token: &str) {
        self.lock().remove(token);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
