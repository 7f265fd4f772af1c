//! Whether clients trust a certificate, as far as this host can tell: by the authorities that it trusts itself.

use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio::task::spawn_blocking;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::formats::certificate_chain::CertificateFacts;

/// What Dokku says of a certificate, or why clients do not take it.
pub(super) async fn verified(chain: String, facts: CertificateFacts) -> String {
    if facts.self_signed {
        return "self signed".to_owned();
    }
    let host = facts.hosts.into_iter().next().unwrap_or_default();
    // Reading the host's authorities takes a while.
    let result = spawn_blocking(move || verify(&chain, &host)).await;
    match result {
        Ok(Ok(())) => "verified by a certificate authority".to_owned(),
        Ok(Err(why)) => format!("not verified: {why}"),
        Err(error) => format!("not verified: {error}"),
    }
}

fn verify(chain: &str, host: &str) -> Result<(), String> {
    let verifier =
        Verifier::new(Arc::new(aws_lc_rs::default_provider())).map_err(|error| error.to_string())?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.map_err(|error| error.to_string())?;
    let (first, between) = chain.split_first().ok_or("there is none")?;
    // A wildcard is a name that no client asks for; any label in its place is one.
    let name = host.replacen('*', "any", 1);
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    verifier
        .verify_server_cert(first, between, &name, &[], UnixTime::now())
        .map(drop)
        .map_err(|error| error.to_string())
}
