//! Shows an authority's proofs: through the router, or as TXT records.

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use slipway_router::challenges::ChallengeCertificate;

use crate::acme::answer::{Answer, Solver};
use crate::acme::dns_hook::{DnsHook, RecordChange};
use crate::acme::error::AcmeError;
use crate::app::App;
use crate::issuance::telling::Telling;
use crate::model::acme::{ChallengeChoice, ChallengeKind};

/// Shows them for one order.
#[derive(Debug)]
pub(super) struct Prover<'a> {
    pub(super) app: &'a App,
    pub(super) choice: ChallengeChoice,
    pub(super) telling: &'a Telling,
}

/// How a name is proven on this server.
pub(super) fn kind(app: &App, choice: ChallengeChoice, name: &str) -> ChallengeKind {
    match choice {
        _ if name.starts_with("*.") => ChallengeKind::Dns01,
        ChallengeChoice::Always(kind) => kind,
        // Without port 80 there may be port 443; without either, somebody forwards them, and port 80 is the likelier.
        ChallengeChoice::Automatic => {
            let is_https = app.https_address.is_some_and(|address| address.port() == 443);
            if app.http_address.port() != 80 && is_https {
                ChallengeKind::TlsAlpn01
            } else {
                ChallengeKind::Http01
            }
        }
    }
}

/// The program for TXT records, if there is one.
pub(super) fn hook(app: &App) -> Option<DnsHook> {
    app.settings.acme.dns_hook.as_deref().map(DnsHook::new)
}

impl Prover<'_> {
    fn hook(&self, name: &str) -> Result<DnsHook, AcmeError> {
        let missing = || AcmeError::Answer {
            name: name.to_owned(),
            reason: "there is no program for DNS records ([acme] dns-hook in slipway.toml)".to_owned(),
        };
        hook(self.app).ok_or_else(missing)
    }
}

impl Solver for Prover<'_> {
    fn kind(&self, name: &str) -> ChallengeKind {
        kind(self.app, self.choice, name)
    }

    async fn present(&self, answer: &Answer) -> Result<(), AcmeError> {
        self.telling.detail(format!("Proving {} by {}", answer.name, answer.kind)).await;
        match answer.kind {
            ChallengeKind::Http01 => {
                self.app.proofs.show_answer(&answer.token, &answer.key_authorization);
                Ok(())
            }
            ChallengeKind::TlsAlpn01 => {
                let certificate = challenge_certificate(answer)?;
                self.app.proofs.show_certificate(&answer.name, certificate);
                Ok(())
            }
            ChallengeKind::Dns01 => {
                let hook = self.hook(&answer.name)?;
                Ok(hook.change(RecordChange::Present, &answer.dns_name(), &answer.dns_value).await?)
            }
        }
    }

    async fn settle(&self, answers: &[Answer]) -> Result<(), AcmeError> {
        if answers.iter().any(|answer| answer.kind == ChallengeKind::Dns01) {
            let wait = self.app.settings.acme.dns_wait();
            self.telling.detail(format!("Waiting {} s until DNS shows the records", wait.as_secs())).await;
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    async fn withdraw(&self, answer: &Answer) {
        match answer.kind {
            ChallengeKind::Http01 => self.app.proofs.hide_answer(&answer.token),
            ChallengeKind::TlsAlpn01 => self.app.proofs.hide_certificate(&answer.name),
            ChallengeKind::Dns01 => {
                let Ok(hook) = self.hook(&answer.name) else { return };
                let name = answer.dns_name();
                if let Err(error) = hook.change(RecordChange::Cleanup, &name, &answer.dns_value).await {
                    self.telling.warn(format!("The TXT record {name} is left behind: {error}")).await;
                }
            }
        }
    }
}

/// The certificate of RFC 8737, section 3.
fn challenge_certificate(answer: &Answer) -> Result<ChallengeCertificate, AcmeError> {
    let refused = |reason: &dyn std::fmt::Display| AcmeError::Answer {
        name: answer.name.clone(),
        reason: reason.to_string(),
    };
    let key = KeyPair::generate().map_err(AcmeError::Request)?;
    let mut parameters = CertificateParams::new([answer.name.clone()]).map_err(AcmeError::Request)?;
    if answer.digest.len() != 32 {
        return Err(refused(&"its digest has another length than 32"));
    }
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(&answer.digest)];
    let certificate = parameters.self_signed(&key).map_err(AcmeError::Request)?;
    ChallengeCertificate::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
        .map_err(|error| refused(&error))
}
