//! The proofs that certificate authorities are shown at this moment. The router has them whole after every change.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use slipway_router::RouterHandle;
use slipway_router::challenges::{ChallengeCertificate, Challenges};

/// The proofs, and who shows them.
#[derive(Debug)]
pub struct Proofs {
    router: RouterHandle,
    /// Protects the two maps against two changes at once. Never held across an await.
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    http: HashMap<String, String>,
    alpn: HashMap<String, ChallengeCertificate>,
}

impl Proofs {
    /// None yet.
    pub fn new(router: RouterHandle) -> Self {
        Self { router, shown: Mutex::default() }
    }

    /// Answers with a text where a token is asked for.
    pub fn show_answer(&self, token: &str, answer: &str) {
        self.change(|shown| {
            shown.http.insert(token.to_owned(), answer.to_owned());
        });
    }

    /// Answers no longer.
    pub fn hide_answer(&self, token: &str) {
        self.change(|shown| {
            shown.http.remove(token);
        });
    }

    /// Shows a certificate to an authority that asks for a name.
    pub fn show_certificate(&self, name: &str, certificate: ChallengeCertificate) {
        self.change(|shown| {
            shown.alpn.insert(name.to_owned(), certificate);
        });
    }

    /// Shows it no longer.
    pub fn hide_certificate(&self, name: &str) {
        self.change(|shown| {
            shown.alpn.remove(name);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        // Every change is one insertion or removal, so that whoever panicked left a state that is whole.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut shown);
        self.router.set_challenges(Challenges { http: shown.http.clone(), alpn: shown.alpn.clone() });
    }
}
