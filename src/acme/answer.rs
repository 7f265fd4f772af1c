//! What has to be shown to prove that a name is ours, and who shows it.

use std::future::Future;

use crate::acme::error::AcmeError;
use crate::model::acme::ChallengeKind;

/// One proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The name, without `*.`.
    pub name: String,
    /// How it is shown.
    pub kind: ChallengeKind,
    /// What is asked for, in HTTP-01.
    pub token: String,
    /// What is answered, in HTTP-01.
    pub key_authorization: String,
    /// Its SHA-256, which TLS-ALPN-01's certificate holds.
    pub digest: Vec<u8>,
    /// The TXT record's text, in DNS-01.
    pub dns_value: String,
}

impl Answer {
    /// Where the TXT record stands, in DNS-01.
    pub fn dns_name(&self) -> String {
        format!("_acme-challenge.{}", self.name)
    }
}

/// Shows proofs.
pub trait Solver: Sync {
    /// How a name, perhaps a wildcard, is to be proven.
    fn kind(&self, name: &str) -> ChallengeKind;

    /// Shows a proof.
    fn present(&self, answer: &Answer) -> impl Future<Output = Result<(), AcmeError>> + Send;

    /// Returns when everybody in the world can see what is shown.
    fn settle(&self, answers: &[Answer]) -> impl Future<Output = Result<(), AcmeError>> + Send;

    /// Shows a proof no longer. A failure is the solver's own to tell: the certificate does not depend on it.
    fn withdraw(&self, answer: &Answer) -> impl Future<Output = ()> + Send;
}
