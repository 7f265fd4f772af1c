//! One order: names are proven, and a certificate comes of it.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, Problem,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::acme::answer::{Answer, Solver};
use crate::acme::error::AcmeError;
use crate::acme::renewal_info::Predecessor;
use crate::model::acme::{ChallengeKind, KeyKind};

/// How long the authority may look for the proofs, and again how long it may make the certificate.
const PATIENCE: Duration = Duration::from_secs(180);

/// How many orders are begun when the authority takes none of the nonces that it gave out.
const ORDERS: usize = 3;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The names, wildcards included.
    pub names: Vec<String>,
    /// The kind of the key.
    pub key: KeyKind,
    /// The certificate that this one takes the place of, if the authority wants to know.
    pub replaces: Option<Predecessor>,
}

/// A certificate as the authority gave it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate and those between it and the authority's own, in PEM form.
    pub chain: String,
    /// The key that belongs to it, in PEM form.
    pub key: SecretString,
}

/// Orders a certificate. Whatever comes of it, no proof is shown any more afterwards.
pub async fn issue(
    account: &Account,
    wanted: &Wanted,
    solver: &impl Solver,
    stop: &CancellationToken,
) -> Result<Issued, AcmeError> {
    over_bad_nonces(|| attempt(account, wanted, solver, stop)).await
}

/// Begins anew where the authority refuses its own nonces. The library has tried each request a few times; an authority
/// that forgets nonces in a row, as one with many front ends may, is none that says no (RFC 8555, section 6.5).
async fn over_bad_nonces<T, F>(attempt: impl Fn() -> F) -> Result<T, AcmeError>
where
    F: Future<Output = Result<T, AcmeError>>,
{
    let mut begun = 1;
    loop {
        match attempt().await {
            Err(AcmeError::Refused(problem)) if begun < ORDERS && is_bad_nonce(&problem) => {
                tracing::debug!(%problem, "the order is begun anew");
                begun += 1;
            }
            result => return result,
        }
    }
}

fn is_bad_nonce(problem: &Problem) -> bool {
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:badNonce")
}

async fn attempt(
    account: &Account,
    wanted: &Wanted,
    solver: &impl Solver,
    stop: &CancellationToken,
) -> Result<Issued, AcmeError> {
    let identifiers: Vec<Identifier> = wanted.names.iter().cloned().map(Identifier::Dns).collect();
    let mut new_order = NewOrder::new(&identifiers);
    if let Some(predecessor) = &wanted.replaces {
        new_order = new_order.replaces(predecessor.identifier());
    }
    let mut order = account.new_order(&new_order).await?;
    let mut shown = Vec::new();
    let proven = stop.run_until_cancelled(prove(&mut order, solver, &mut shown)).await;
    for answer in &shown {
        solver.withdraw(answer).await;
    }
    proven.unwrap_or(Err(AcmeError::Interrupted))?;
    stop.run_until_cancelled(finish(&mut order, wanted)).await.unwrap_or(Err(AcmeError::Interrupted))
}

async fn prove(order: &mut Order, solver: &impl Solver, shown: &mut Vec<Answer>) -> Result<(), AcmeError> {
    show(order, solver, shown).await?;
    if !shown.is_empty() {
        solver.settle(shown).await?;
        call(order, solver).await?;
    }
    match order.poll_ready(&policy()).await {
        Ok(OrderStatus::Ready) => Ok(()),
        Ok(_) => Err(refusal(order).await),
        Err(instant_acme::Error::Timeout(_)) => Err(AcmeError::Late(PATIENCE)),
        // It says that something is wrong, and the names say what.
        Err(instant_acme::Error::Api(problem)) => match refusal(order).await {
            AcmeError::Unverified(names) if !names.is_empty() => Err(AcmeError::Unverified(names)),
            _ => Err(AcmeError::Refused(problem)),
        },
        Err(error) => Err(error.into()),
    }
}

/// Shows what is asked for. Names that were proven lately need nothing.
async fn show(order: &mut Order, solver: &impl Solver, shown: &mut Vec<Answer>) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let full = authorization.identifier().to_string();
        let name = full.strip_prefix("*.").unwrap_or(&full).to_owned();
        let kind = solver.kind(&full);
        let Some(challenge) = authorization.challenge(challenge_type(kind)) else {
            return Err(AcmeError::NotOffered { kind, name: full });
        };
        let authorization = challenge.key_authorization();
        let answer = Answer {
            name,
            kind,
            token: challenge.token.clone(),
            key_authorization: authorization.as_str().to_owned(),
            digest: authorization.digest().as_ref().to_vec(),
            dns_value: authorization.dns_value(),
        };
        // Noted first, so that what was half done is taken back, too.
        shown.push(answer.clone());
        solver.present(&answer).await?;
    }
    Ok(())
}

/// Tells the authority to look.
async fn call(order: &mut Order, solver: &impl Solver) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let kind = solver.kind(&authorization.identifier().to_string());
        if let Some(mut challenge) = authorization.challenge(challenge_type(kind)) {
            challenge.set_ready().await?;
        }
    }
    Ok(())
}

/// Which names the authority could not verify, and why.
async fn refusal(order: &mut Order) -> AcmeError {
    let mut failed = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        if let Err(error) = authorization.refresh().await {
            return error.into();
        }
        if authorization.status == AuthorizationStatus::Invalid {
            let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.clone());
            failed.push((authorization.identifier().to_string(), problem));
        }
    }
    AcmeError::Unverified(failed)
}

async fn finish(order: &mut Order, wanted: &Wanted) -> Result<Issued, AcmeError> {
    let kind = wanted.key;
    // An RSA key takes long enough to hold up others.
    let key = tokio::task::spawn_blocking(move || match kind {
        KeyKind::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::Rsa => KeyPair::generate_for(&PKCS_RSA_SHA256),
    });
    let key = key.await.map_err(|_| AcmeError::Interrupted)?.map_err(AcmeError::Request)?;
    let mut parameters = CertificateParams::new(wanted.names.clone()).map_err(AcmeError::Request)?;
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters.serialize_request(&key).map_err(AcmeError::Request)?;
    order.finalize_csr(request.der()).await?;
    match order.poll_certificate(&policy()).await {
        Ok(chain) => Ok(Issued { chain, key: SecretString::from(key.serialize_pem()) }),
        Err(instant_acme::Error::Timeout(_)) => Err(AcmeError::Late(PATIENCE)),
        Err(error) => Err(error.into()),
    }
}

fn policy() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(PATIENCE)
}

fn challenge_type(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How many orders are begun when so many are refused with that type, and whether the last one comes to something.
    async fn begun(refused: usize, kind: &str) -> (usize, bool) {
        let count = Cell::new(0);
        let attempt = || {
            count.set(count.get() + 1);
            let problem = Problem {
                r#type: Some(format!("urn:ietf:params:acme:error:{kind}")),
                detail: None,
                status: None,
                subproblems: Vec::new(),
            };
            let answer = if count.get() <= refused { Err(AcmeError::Refused(problem)) } else { Ok(()) };
            async { answer }
        };
        let result = over_bad_nonces(attempt).await;
        (count.get(), result.is_ok())
    }

    #[tokio::test]
    async fn an_order_is_begun_anew_for_nonces_alone_and_not_without_end() {
        assert_eq!(begun(0, "badNonce").await, (1, true));
        assert_eq!(begun(2, "badNonce").await, (3, true));
        assert_eq!(begun(9, "badNonce").await, (ORDERS, false));
        assert_eq!(begun(9, "rateLimited").await, (1, false));
    }
}
