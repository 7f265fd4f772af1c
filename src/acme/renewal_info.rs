//! When the authority itself would have a certificate replaced (ARI, RFC 9773).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{Account, CertificateIdentifier};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

/// A certificate as RFC 9773, section 4.1 names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    authority: String,
    serial: String,
}

/// When a certificate is best replaced, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub start: i64,
    /// Until then.
    pub end: i64,
}

impl Predecessor {
    /// The name of the first certificate of a PEM text; none if it does not say whose it is.
    pub fn of(chain: &str) -> Option<Self> {
        let first = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
        let certificate = Certificate::from_der(&first).ok()?;
        let fields = certificate.tbs_certificate();
        let (_, authority) = fields.get_extension::<AuthorityKeyIdentifier>().ok()??;
        let authority = authority.key_identifier?;
        let serial = fields.serial_number().to_der().ok()?;
        // Without its tag and length: a serial number has 20 bytes at most (RFC 5280, section 4.1.2.2).
        let serial = serial.get(2..)?;
        Some(Self {
            authority: BASE64_URL_SAFE_NO_PAD.encode(authority.as_bytes()),
            serial: BASE64_URL_SAFE_NO_PAD.encode(serial),
        })
    }

    pub(super) fn identifier(&self) -> CertificateIdentifier<'static> {
        CertificateIdentifier {
            authority_key_identifier: self.authority.clone().into(),
            serial: self.serial.clone().into(),
        }
    }
}

impl fmt::Display for Predecessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.authority, self.serial)
    }
}

/// Asks when a certificate is best replaced; none if the authority has no opinion.
pub async fn window(account: &Account, certificate: &Predecessor) -> Option<Window> {
    match account.renewal_info(&certificate.identifier()).await {
        Ok((info, _)) => {
            let window = info.suggested_window;
            Some(Window { start: window.start.unix_timestamp(), end: window.end.unix_timestamp() })
        }
        Err(error) => {
            tracing::debug!(%error, "the authority does not say when a certificate is best replaced");
            None
        }
    }
}
