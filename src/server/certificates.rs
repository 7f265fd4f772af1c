//! The server's own certificate: two files that are made at the first start and that a person may replace.
//!
//! The files are read at the start and on SIGHUP, never in between. Which connection gets the certificate is the
//! router's business.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::App;
use crate::app::certificates::{Certificates, DefaultCertificate};
use crate::certificates::self_signed;
use crate::model::hostname::Hostname;
use slipway_router::certificate::{Certificate, CertificateError};

use super::write_whole;

/// Where the certificate and its key lie.
#[derive(Clone, Debug)]
pub(super) struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    domain: Hostname,
}

/// Reads the files when it is told to.
#[derive(Debug)]
pub(super) struct Reloader {
    hangup: Signal,
    files: Option<CertificateFiles>,
    certificates: Arc<Certificates>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateFilesError {
    /// A file cannot be read. If only one of the two is missing, nobody can say what was meant.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate can be made for the domain.
    #[error("cannot make a certificate for {domain}")]
    Make {
        /// The domain.
        domain: Hostname,
        /// Why.
        source: rcgen::Error,
    },
    /// The two files are no certificate that can be served.
    #[error("{} cannot be served", path.display())]
    Invalid {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: CertificateError,
    },
}

impl CertificateFiles {
    /// The files in a root, for a server whose apps are below `domain`.
    pub(super) fn new(root: &Path, domain: Hostname) -> Self {
        let directory = root.join("certs");
        Self { certificate: directory.join("default.crt"), key: directory.join("default.key"), domain }
    }

    /// Reads the certificate; if it cannot be used, says why, and the one before stays.
    ///
    /// A certificate that is not right must not keep anyone from plain HTTP, so it is no reason not to start.
    fn load(&self, certificates: &Certificates) {
        match self.make_missing().and_then(|()| self.read()) {
            Ok(certificate) => {
                self.warn(&certificate);
                let names: Vec<&str> = certificate.names().collect();
                tracing::info!(names = names.join(" "), "the certificate for HTTPS is read");
                certificates.set_default(DefaultCertificate {
                    is_trusted: !certificate.is_self_signed(),
                    certificate: Arc::new(certificate),
                });
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no new certificate for HTTPS");
            }
        }
    }

    /// Makes a pair if there is neither a certificate nor a key.
    fn make_missing(&self) -> Result<(), CertificateFilesError> {
        if self.certificate.exists() || self.key.exists() {
            return Ok(());
        }
        // Nobody trusts it by itself, so that there is nothing to be gained by its expiry: it has next to none.
        let below: Result<Hostname, _> = format!("*.{}", self.domain).parse();
        let hosts: Vec<Hostname> = std::iter::once(self.domain.clone()).chain(below).collect();
        let (certificate, key) = self_signed(&hosts, None)
            .map_err(|source| CertificateFilesError::Make { domain: self.domain.clone(), source })?;
        let directory = self.key.parent().unwrap_or(&self.key);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| CertificateFilesError::Write { path: directory.to_owned(), source })?;
        for (path, text) in [(&self.key, key), (&self.certificate, certificate)] {
            write_whole(path, text.as_bytes())
                .map_err(|source| CertificateFilesError::Write { path: path.clone(), source })?;
        }
        Ok(())
    }

    fn read(&self) -> Result<Certificate, CertificateFilesError> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| CertificateFilesError::Read { path: path.clone(), source })
        };
        Certificate::from_pem(&read(&self.certificate)?, &read(&self.key)?)
            .map_err(|source| CertificateFilesError::Invalid { path: self.certificate.clone(), source })
    }

    /// Says what clients will not like about a certificate that can be served.
    fn warn(&self, certificate: &Certificate) {
        let file = self.certificate.display();
        if certificate.not_after() < SystemTime::now() {
            tracing::warn!(%file, "the certificate for HTTPS has expired: replace it and its key");
        }
        if !certificate.covers(&format!("app.{}", self.domain)) {
            tracing::warn!(
                %file,
                domain = %self.domain,
                "the certificate for HTTPS does not cover the apps below the domain: replace it and its key, or \
                 remove both and send SIGHUP for new ones"
            );
        }
    }
}

impl Reloader {
    /// Reads the files, if there is HTTPS, and watches for SIGHUP from now on: its default is to end the process.
    pub(super) fn start(
        files: Option<CertificateFiles>,
        certificates: Arc<Certificates>,
    ) -> io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let reloader = Self { hangup, files, certificates };
        reloader.load();
        Ok(reloader)
    }

    /// Reads the files on each SIGHUP until the server stops, and puts what they hold in force.
    pub(super) async fn run(mut self, app: Arc<App>) {
        loop {
            tokio::select! {
                received = self.hangup.recv() => if received.is_none() { return },
                () = app.shutdown.cancelled() => return,
            }
            self.load();
            app.reconciler.publish_routes().await;
        }
    }

    fn load(&self) {
        if let Some(files) = &self.files {
            files.load(&self.certificates);
        }
    }
}
