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

/// A branch that a push moves or deletes, and that is not deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherBranch {
    /// Its name without `refs/heads/`.
    pub name: String,
    /// The commit's hash; nothing if it is deleted.
    pub commit: Option<String>,
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
    others: Vec<OtherBranch>,
}

impl Pushes {
    /// Enters a push and returns its token: 128 random bits in hexadecimal.
    pub fn enter(&self, push: Push) -> String {
        let token = format!("{:032x}", rand::random::<u128>());
        self.lock().insert(token.clone(), Entry { push, turn: None, others: Vec::new() });
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

    /// Keeps the branches that are not deployed, if the push will be accepted.
    pub fn keep_others(&self, token: &str, others: Vec<OtherBranch>) {
        if let Some(entry) = self.lock().get_mut(token) {
            entry.others = others;
        }
    }

    /// Takes a push out, and gives back its turn: its git process has ended. Returns the branches that are not deployed
    /// and that git was to move.
    pub fn leave(&self, token: &str) -> Vec<OtherBranch> {
        self.lock().remove(token).map(|entry| entry.others).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
