//! What is known of certificates beside the database: the server's own one, and those of apps in the form in which the
//! router takes them, so that none is opened twice.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use slipway_router::certificate::Certificate;

use crate::store::certificates::CertificateId;

/// Certificates as the router takes them.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Protects the two against two publications at once. Never held across an await.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    default: Option<DefaultCertificate>,
    /// `None` for one that cannot be used: that is said once.
    of_apps: HashMap<CertificateId, Option<Arc<Certificate>>>,
}

/// The server's own certificate.
#[derive(Clone, Debug)]
pub struct DefaultCertificate {
    /// What is shown.
    pub certificate: Arc<Certificate>,
    /// Whether clients may trust it, as an authority has signed it; the one that the server makes for itself is good
    /// for a look and no more.
    pub is_trusted: bool,
}

impl Certificates {
    /// Remembers the server's own certificate.
    pub fn set_default(&self, default: DefaultCertificate) {
        self.with(|known| known.default = Some(default));
    }

    /// The server's own certificate, if it has one.
    pub fn default(&self) -> Option<DefaultCertificate> {
        self.with(|known| known.default.clone())
    }

    /// What is known of an app's certificate; nothing if it was never opened.
    pub fn of(&self, id: CertificateId) -> Option<Option<Arc<Certificate>>> {
        self.with(|known| known.of_apps.get(&id).cloned())
    }

    /// Remembers an app's certificate, or that it cannot be used.
    pub fn remember(&self, id: CertificateId, certificate: Option<Arc<Certificate>>) {
        self.with(|known| known.of_apps.insert(id, certificate));
    }

    /// Forgets all certificates of apps but these.
    pub fn keep_only(&self, ids: &HashSet<CertificateId>) {
        self.with(|known| known.of_apps.retain(|id, _| ids.contains(id)));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        // Whoever panicked while holding it left a state that is still whole: every step is one change.
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
