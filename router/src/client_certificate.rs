//! What an app is told of a client's certificate, which was checked in the handshake.
//!
//! `Client-Cert` is the certificate itself (RFC 9440); the others are for those who need no more than a name. No client
//! can send any of them: whatever begins so is removed from requests (`forward_headers`).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-subject");
const FINGERPRINT: HeaderName = HeaderName::from_static("x-client-cert-sha256");

/// A client's certificate in the form of headers, made once for a connection.
#[derive(Clone, Debug)]
pub(crate) struct ClientCertificate {
    whole: HeaderValue,
    subject: HeaderValue,
    fingerprint: HeaderValue,
}

impl ClientCertificate {
    /// Reads the first of a chain that was checked; `None` if it is beyond us, which is as good as none.
    pub(crate) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let certificate = chain.first()?;
        let parsed = Certificate::from_der(certificate).ok()?;
        let subject = escaped(&parsed.tbs_certificate().subject().to_string());
        let fingerprint = digest(&SHA256, certificate);
        let hex: String = fingerprint.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self {
            // A byte sequence of structured fields (RFC 8941, section 3.3.5).
            whole: HeaderValue::from_str(&format!(":{}:", STANDARD.encode(certificate))).ok()?,
            subject: HeaderValue::from_str(&subject).ok()?,
            fingerprint: HeaderValue::from_str(&hex).ok()?,
        })
    }

    /// Adds it to a request.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(CLIENT_CERT, self.whole.clone());
        headers.insert(SUBJECT, self.subject.clone());
        headers.insert(FINGERPRINT, self.fingerprint.clone());
    }
}

/// Whether a header is one of these, or could be taken for one.
pub(crate) fn is_claim(name: &str) -> bool {
    name.starts_with("client-cert") || name.starts_with("x-client-cert")
}

/// A distinguished name in ASCII: any octet may be written as a backslash and two digits (RFC 4514, section 2.4).
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b' '..=b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn an_app_is_told_the_certificate_and_its_name_in_ascii() {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "Jörg, the\nfirst");
        let made = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        ClientCertificate::of(&[made.der().clone()]).unwrap().tell(&mut headers);
        let text = |name: &str| headers[name].to_str().unwrap();
        let whole = text("client-cert").strip_prefix(':').unwrap().strip_suffix(':').unwrap();
        assert_eq!(STANDARD.decode(whole).unwrap(), made.der().as_ref());
        assert!(text("x-client-cert-subject").contains("J\\C3\\B6rg"), "{headers:?}");
        assert_eq!(text("x-client-cert-sha256").len(), 64);
        assert!(headers.keys().all(|name| is_claim(name.as_str())));
        assert!(ClientCertificate::of(&[]).is_none());
        assert!(ClientCertificate::of(&[CertificateDer::from(vec![1, 2, 3])]).is_none());
    }
}
