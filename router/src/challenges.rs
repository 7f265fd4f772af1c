//! What an authority asks for before it issues a certificate (ACME), and the answers. It knows nothing of orders and
//! accounts: whoever has those says what is to be answered for as long as it is asked.
//!
//! Two questions can be answered here. HTTP-01 (RFC 8555, section 8.3) is a request for a path with a token in it, on
//! any host and before every rule of an app: whoever knows a token was given it by the authority. TLS-ALPN-01
//! (RFC 8737) is a handshake for the protocol `acme-tls/1` alone, and nothing but it is ever shown such a certificate.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, ServerConfig};

use crate::certificate::CertificateError;

/// Where an authority asks for the answer to HTTP-01.
pub(crate) const WELL_KNOWN: &str = "/.well-known/acme-challenge/";
/// The protocol of TLS-ALPN-01.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// The answers that are to be given, all of them: those that are not here any more are not given any more.
#[derive(Debug, Default)]
pub struct Challenges {
    /// For HTTP-01: the key authorization by its token.
    pub http: HashMap<String, String>,
    /// For TLS-ALPN-01: the certificate with the digest of the key authorization, by the host name it is for.
    pub alpn: HashMap<String, ChallengeCertificate>,
}

/// A certificate for TLS-ALPN-01.
///
/// It is a type of its own because it is no certificate for clients: its one extension that matters is critical and
/// unknown to everybody but authorities, so that whoever checks it as usual has to refuse it.
#[derive(Clone)]
pub struct ChallengeCertificate(Arc<ServerConfig>);

impl ChallengeCertificate {
    /// Reads the certificate and its key. Who makes them says whether they belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let certificate =
            CertificateDer::from_pem_slice(certificate).map_err(|_| CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        Ok(Self(Arc::new(config(certificate, key).map_err(CertificateError::Key)?)))
    }
}

/// The same in the form in which they are served: an immutable snapshot, replaced as a whole.
#[derive(Default)]
pub(crate) struct Answers {
    http: HashMap<String, Bytes>,
    alpn: HashMap<String, Arc<ServerConfig>>,
}

impl From<Challenges> for Answers {
    fn from(challenges: Challenges) -> Self {
        let http = challenges.http.into_iter().map(|(token, answer)| (token, answer.into())).collect();
        let shown = challenges.alpn.into_iter();
        let alpn = shown.map(|(name, shown)| (name.to_ascii_lowercase(), shown.0)).collect();
        Self { http, alpn }
    }
}

impl Answers {
    /// The answer to a request for a path, if it asks for one that is known.
    pub(crate) fn for_path(&self, path: &str) -> Option<Bytes> {
        self.http.get(path.strip_prefix(WELL_KNOWN)?).cloned()
    }

    /// What a handshake that is such a question needs, if the name is one that is asked for just now.
    pub(crate) fn for_name(&self, name: &str) -> Option<Arc<ServerConfig>> {
        self.alpn.get(name).cloned()
    }
}

/// Whether a handshake is a question of an authority. It offers that protocol and no other (RFC 8737, section 3).
pub(crate) fn is_question(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(ACME_TLS) && offered.next().is_none())
}

fn config(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certified = CertifiedKey::new(vec![certificate], provider.key_provider.load_private_key(key)?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Without the key.
impl fmt::Debug for ChallengeCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeCertificate")
    }
}

/// Without tokens and keys.
impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("names", &self.alpn.keys()).finish_non_exhaustive()
    }
}
