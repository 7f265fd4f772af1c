//! Has an authority say of certificates that they are not to be trusted any more.

use instant_acme::RevocationRequest;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::acme::error::AcmeError;
use crate::app::App;
use crate::command_error::CommandError;
use crate::issuance::account;
use crate::issuance::choice::Choice;
use crate::model::certificate::CertificateKind;
use crate::store::apps::AppRecord;

/// Revokes an app's automatic certificates, and says how many there are.
pub async fn revoke(app: &App, record: &AppRecord) -> Result<usize, CommandError> {
    let choice = Choice::of(&app.store, record.id).await?;
    let mut revoked = 0;
    for certificate in app.store.certificates(Some(record.id)).await? {
        if certificate.kind != CertificateKind::Automatic {
            continue;
        }
        let Some(pair) = app.store.certificate_pair(certificate.id).await? else { continue };
        let unreadable = |error| CommandError::internal("A stored certificate cannot be read", error);
        let first = CertificateDer::from_pem_slice(pair.chain.as_bytes()).map_err(unreadable)?;
        let account = account::of(app, record, &choice).await?;
        let request = RevocationRequest { certificate: &first, reason: None };
        match account.revoke(&request).await.map_err(AcmeError::from) {
            // What is revoked already is as it should be.
            Err(AcmeError::Refused(problem))
                if problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":alreadyRevoked")) => {}
            Err(error) => {
                let advice = error.advice();
                return Err(CommandError::internal("The certificate is not revoked", error).hint(advice));
            }
            Ok(()) => {}
        }
        revoked += 1;
    }
    Ok(revoked)
}
