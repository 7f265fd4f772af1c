//! A router with HTTPS, and clients that see what they are shown.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use slipway_router::Router;
use slipway_router::certificate::Certificate;
use slipway_router::settings::RouterSettings;
use slipway_router::table::Entrance;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};

use crate::support::{Backend, Site, app, host, port_route, within};

/// A router that serves HTTPS as well.
pub struct TlsSite {
    pub site: Site,
    pub https: SocketAddr,
}

impl Deref for TlsSite {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl TlsSite {
    pub fn start_with(change: impl FnOnce(&mut RouterSettings)) -> Self {
        let mut settings = RouterSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            listen_https: Some("127.0.0.1:0".parse().unwrap()),
            workers: std::num::NonZeroUsize::new(2),
            ..RouterSettings::default()
        };
        change(&mut settings);
        let bound = Router::bind(settings).unwrap();
        let (address, https) = (bound.http_address(), bound.https_address().unwrap());
        let (handle, records) = bound.start().unwrap();
        Self { site: Site { handle, address, records }, https }
    }
}

/// A router with one app, `blog`, on these hosts.
pub async fn site(hosts: &[&str]) -> (TlsSite, Backend) {
    let backend = Backend::echo("blog").await;
    let site = TlsSite::start_with(|_| {});
    let mut routes = app("blog", &[&backend]);
    routes.hosts = hosts.iter().map(|name| host(name)).collect();
    routes.ports.push(port_route(Entrance::Https, &backend));
    site.publish(vec![routes]);
    (site, backend)
}

/// A certificate with its key, in PEM form.
pub struct Pair {
    pub chain: String,
    pub key: String,
}

impl Pair {
    pub fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// The certificate itself.
    pub fn first(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()
    }
}

/// A self-signed certificate.
pub fn certificate(names: &[&str]) -> Pair {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = generate_simple_self_signed(names).unwrap();
    Pair { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

pub fn show(site: &Site, pairs: &[&Pair]) {
    site.handle.set_certificates(pairs.iter().map(|pair| pair.certificate()).collect());
}

/// What came of a handshake.
#[derive(Debug)]
pub struct Asked {
    pub shown: CertificateDer<'static>,
    pub protocol: Option<Vec<u8>>,
    /// Whether the server ended the connection without being asked anything.
    pub ended: bool,
}

/// Shakes hands for a name.
pub async fn ask(address: SocketAddr, name: &str, protocols: &[&[u8]]) -> Result<Asked, String> {
    let mut config = client_config();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let mut stream = connect(address, name, config).await?;
    let (_, connection) = stream.get_ref();
    let shown = connection.peer_certificates().unwrap()[0].clone();
    let protocol = connection.alpn_protocol().map(<[u8]>::to_vec);
    let ended = protocol.as_deref() == Some(b"acme-tls/1")
        && within(stream.read(&mut [0])).await.is_ok_and(|count| count == 0);
    Ok(Asked { shown, protocol, ended })
}

pub async fn connect(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> Result<TlsStream<TcpStream>, String> {
    let stream = within(TcpStream::connect(address)).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    within(connecting).await.map_err(|error| error.to_string())
}

/// A client that believes everything it is shown.
pub fn client_config() -> ClientConfig {
    client_builder().with_no_client_auth()
}

/// The same before it is said whether it has a certificate of its own.
pub fn client_builder() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder_of(aws_lc_rs::default_provider(), &[&TLS13, &TLS12])
}

/// The same with other cryptography or versions.
pub fn client_config_of(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    builder_of(provider, versions).with_no_client_auth()
}

fn builder_of(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(provider);
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believing(provider)))
}

#[derive(Debug)]
struct Believing(Arc<CryptoProvider>);

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
