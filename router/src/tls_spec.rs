//! What handshakes are made with: the certificates of the server and of its apps, and what an app asks of clients.
//! Plain data, valid by construction.
//!
//! It is chosen by the name that a client asks for, before there is a request; that is why it is no part of an app's
//! policy and not of the route table, and is published beside them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::certificate::Certificate;
use crate::host_pattern::HostPattern;

/// Everything that handshakes are made with. Each publication is the whole of it.
#[derive(Clone, Debug, Default)]
pub struct TlsSpec {
    /// The server's own certificates, for hosts for which no app has brought one.
    pub default: Vec<Arc<Certificate>>,
    /// The apps that have something of their own, in any order. A host of two of them is the first one's.
    pub apps: Vec<AppTls>,
    /// The protocol versions for hosts of no such app.
    pub versions: TlsVersions,
}

/// What handshakes for the hosts of one app are made with.
#[derive(Clone, Debug)]
pub struct AppTls {
    /// Its hosts. For no other are its certificates ever shown.
    pub hosts: Vec<HostPattern>,
    /// Its certificates, in any order; the server's own ones stand in for names that they do not cover.
    pub certificates: Vec<Arc<Certificate>>,
    /// The protocol versions.
    pub versions: TlsVersions,
    /// Whether clients show a certificate, too.
    pub clients: ClientCertificates,
}

/// The protocol versions that are spoken. The names are those of Mozilla's recommendations for servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersions {
    /// TLS 1.3 alone.
    Modern,
    /// TLS 1.2 as well, with ephemeral keys and authenticated encryption alone.
    #[default]
    Intermediate,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientCertificates {
    /// They are not.
    #[default]
    Ignored,
    /// They are. Who has none is served all the same, and the app is told nothing of a certificate.
    Optional(ClientAuthority),
    /// They are, and without one there is no connection.
    Required(ClientAuthority),
}

/// Who issues the certificates of clients.
#[derive(Clone)]
pub struct ClientAuthority {
    roots: Arc<RootCertStore>,
    /// Of all its certificates, so that two of them can be told apart.
    digest: [u8; 32],
}

/// Why a PEM text names no authority.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthorityError {
    /// It has no certificate.
    #[error("there is no certificate in PEM form (BEGIN CERTIFICATE)")]
    NoCertificate,
    /// A certificate in it cannot be an authority's.
    #[error("a certificate in it is no authority's")]
    Unusable(#[source] tokio_rustls::rustls::Error),
}

impl ClientCertificates {
    /// Whether clients without a certificate are turned away.
    pub fn are_required(&self) -> bool {
        matches!(self, Self::Required(_))
    }

    /// What a session may be resumed under: a ticket of one rule is none under another.
    pub(crate) fn ticket_context(&self) -> Vec<u8> {
        match self {
            Self::Ignored => Vec::new(),
            Self::Optional(authority) => [&[1], &authority.digest[..]].concat(),
            Self::Required(authority) => [&[2], &authority.digest[..]].concat(),
        }
    }
}

impl ClientAuthority {
    /// Reads one or more certificates of authorities.
    pub fn from_pem(bundle: &[u8]) -> Result<Self, ClientAuthorityError> {
        let mut roots = RootCertStore::empty();
        let mut all = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(bundle) {
            let certificate = certificate.map_err(|_| ClientAuthorityError::NoCertificate)?;
            all.extend_from_slice(&certificate);
            roots.add(certificate).map_err(ClientAuthorityError::Unusable)?;
        }
        if roots.is_empty() {
            return Err(ClientAuthorityError::NoCertificate);
        }
        let mut of_all = [0; 32];
        of_all.copy_from_slice(digest(&SHA256, &all).as_ref());
        Ok(Self { roots: Arc::new(roots), digest: of_all })
    }

    /// Nobody's certificate is good enough, so that there are no connections.
    pub fn nobody() -> Self {
        Self { roots: Arc::new(RootCertStore::empty()), digest: [0; 32] }
    }

    /// The certificates that clients' ones are checked with.
    pub(crate) fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }
}

impl PartialEq for ClientAuthority {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ClientAuthority {}

impl std::hash::Hash for ClientAuthority {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for ClientAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthority").field("certificates", &self.roots.len()).finish()
    }
}
