//! TLS as clients see it: whom they trust, and what they are shown. Certificates of an authority of the test's own.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::server::Server;

/// No handshake of a test takes longer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An encrypted connection.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// An authority that makes certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate with its key, both in PEM form.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A client that trusts one authority and nobody else.
#[derive(Clone, Debug)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "Authority of a test");
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), certificate }
    }

    /// A certificate for a name that is valid until the beginning of a year.
    pub fn pair(&self, name: &str, until_year: i32) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(until_year, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Its own certificate, in PEM form.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// A client that trusts it.
    pub fn trust(&self) -> Trust {
        Trust::in_certificate(&self.certificate)
    }
}

impl Pair {
    /// Puts it where the server reads it.
    pub fn install(&self, server: &Server) {
        let directory = server.root().join("certs");
        fs::write(directory.join("default.crt"), &self.certificate).unwrap();
        fs::write(directory.join("default.key"), &self.key).unwrap();
    }
}

impl Trust {
    /// A client that trusts the certificate in a file.
    pub fn in_file(path: &Path) -> Self {
        Self::in_certificate(&fs::read_to_string(path).unwrap())
    }

    fn in_certificate(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Self { config: Arc::new(builder.with_root_certificates(roots).with_no_client_auth()) }
    }

    /// Connects and ends the handshake; a certificate that is not trusted or not for `host` is an error.
    pub fn connect(&self, address: SocketAddr, host: &str) -> io::Result<TlsStream> {
        let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut client = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        while client.is_handshaking() {
            client.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(client, socket))
    }

    /// The serial number of the certificate that a new connection is shown, in hexadecimal digits.
    pub fn serial(&self, address: SocketAddr, host: &str) -> String {
        let der = self.peer(address, host);
        let certificate = <x509_cert::Certificate as x509_cert::der::Decode>::from_der(&der).unwrap();
        let serial = certificate.tbs_certificate().serial_number().as_bytes();
        serial.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What tells the certificate that a new connection is shown from all others.
    pub fn shown(&self, address: SocketAddr, host: &str) -> String {
        self.serial(address, host)
    }

    fn peer(&self, address: SocketAddr, host: &str) -> CertificateDer<'static> {
        // A session that is resumed is that of the certificate of then.
        let mut config = (*self.config).clone();
        config.resumption = Resumption::disabled();
        let stream = Self { config: Arc::new(config) }.connect(address, host).unwrap();
        stream.conn.peer_certificates().unwrap().first().unwrap().clone().into_owned()
    }

    /// Whether a new connection is shown the certificate of this pair.
    pub fn is_shown(&self, pair: &Pair, address: SocketAddr, host: &str) -> bool {
        self.peer(address, host) == CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()
    }
}
