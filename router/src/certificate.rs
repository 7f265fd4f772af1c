//! A certificate with its key, read from PEM and checked. No files, no network.
//!
//! It knows for which hosts it may be shown, and nothing of who asks for which.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate that can be served.
pub struct Certificate {
    names: BTreeSet<String>,
    not_after: SystemTime,
    self_signed: bool,
    certified: Arc<CertifiedKey>,
}

/// Why a pair of PEM texts is no certificate that can be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The first text has no certificate.
    #[error("there is no certificate in PEM form (BEGIN CERTIFICATE)")]
    NoCertificate,
    /// The second text has no key, or one that needs a password.
    #[error("there is no private key without a password in PEM form (BEGIN PRIVATE KEY)")]
    NoKey,
    /// The certificate is not what the standard asks for.
    #[error("the certificate cannot be read")]
    Malformed(#[source] x509_cert::der::Error),
    /// The certificate is for no host; its common name alone counts for no client (RFC 9110, section 4.3.4).
    #[error("the certificate names no host (subjectAltName)")]
    NoNames,
    /// The key belongs to another certificate, or is of a kind that is not known.
    #[error("the key does not fit the certificate")]
    Key(#[source] tokio_rustls::rustls::Error),
}

impl Certificate {
    /// Reads a certificate, followed by those between it and its authority, and the key that belongs to it.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NoCertificate)?;
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let parsed = Parsed::from_der(first).map_err(CertificateError::Malformed)?;
        let names = names(&parsed)?;
        let self_signed = parsed.tbs_certificate().issuer() == parsed.tbs_certificate().subject();
        let not_after = parsed.tbs_certificate().validity().not_after.to_system_time();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        // This says whether the key belongs to the certificate, too.
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let certified = Arc::new(certified.map_err(CertificateError::Key)?);
        Ok(Self { names, not_after, self_signed, certified })
    }

    /// Whether it may be shown for a host, which has to be lower-case and without port and final dot.
    ///
    /// A wildcard stands for one label, also above a single one: `*.localhost` covers `blog.localhost`, although
    /// many clients want two labels there.
    pub fn covers(&self, host: &str) -> bool {
        let above = || host.split_once('.').filter(|(label, _)| !label.is_empty());
        self.names.contains(host)
            || above().is_some_and(|(_, suffix)| self.names.contains(&format!("*.{suffix}")))
    }

    /// The host names that stand in it, wildcards included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The end of its validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether nobody but itself has signed it, so that no client trusts it unless told to.
    pub fn is_self_signed(&self) -> bool {
        self.self_signed
    }

    /// What a handshake with this certificate needs.
    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

/// Whether a key belongs to a certificate, both in PEM form.
pub fn fits(certificate: &[u8], key: &[u8]) -> bool {
    let (Ok(certificate), Ok(key)) =
        (CertificateDer::from_pem_slice(certificate), PrivateKeyDer::from_pem_slice(key))
    else {
        return false;
    };
    CertifiedKey::from_der(vec![certificate], key, &aws_lc_rs::default_provider()).is_ok()
}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

fn names(parsed: &Parsed) -> Result<BTreeSet<String>, CertificateError> {
    let extension = parsed.tbs_certificate().get_extension::<SubjectAltName>();
    let Some((_, names)) = extension.map_err(CertificateError::Malformed)? else {
        return Err(CertificateError::NoNames);
    };
    let hosts = names.0.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    });
    let hosts: BTreeSet<String> = hosts.collect();
    if hosts.is_empty() { Err(CertificateError::NoNames) } else { Ok(hosts) }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// A self-signed certificate for these names, and its key.
    fn pair(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.not_after = date_time_ymd(2001, 9, 9);
        let key = KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn error(chain: &str, key: &str) -> String {
        let error = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
        let source = error.source().map(|source| format!(": {source}"));
        format!("{error}{}", source.unwrap_or_default())
    }

    #[test]
    fn a_certificate_covers_its_names_and_one_label_for_a_wildcard() {
        let (chain, key) = pair(&["Example.com", "*.example.com", "*.localhost"]);
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        for host in ["example.com", "blog.example.com", "blog.localhost"] {
            assert!(certificate.covers(host), "{host}");
        }
        for host in
            ["", "com", "a.blog.example.com", "example.org", "xexample.com", "localhost", ".localhost"]
        {
            assert!(!certificate.covers(host), "{host}");
        }
        assert_eq!(certificate.names().count(), 3);
        assert_eq!(certificate.not_after(), SystemTime::UNIX_EPOCH + Duration::from_secs(999_993_600));
    }

    #[test]
    fn a_pair_that_cannot_be_served_says_why() {
        let (chain, key) = pair(&["a.example"]);
        let (_, foreign) = pair(&["a.example"]);
        assert_eq!(
            error(&chain, &foreign),
            "the key does not fit the certificate: keys may not be consistent: KeyMismatch"
        );
        assert_eq!(error("", &key), "there is no certificate in PEM form (BEGIN CERTIFICATE)");
        assert_eq!(error(&key, &key), "there is no certificate in PEM form (BEGIN CERTIFICATE)");
        for no_key in ["", chain.as_str()] {
            assert_eq!(
                error(&chain, no_key),
                "there is no private key without a password in PEM form (BEGIN PRIVATE KEY)"
            );
        }
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(error(nonsense, &key).starts_with("the certificate cannot be read: "));
        let (nameless, its_key) = pair(&[]);
        assert_eq!(error(&nameless, &its_key), "the certificate names no host (subjectAltName)");
        assert_eq!(error(&pair(&["192.0.2.1"]).0, &key), "the certificate names no host (subjectAltName)");
    }
}
