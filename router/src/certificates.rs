//! Which certificate is shown for which name: an immutable snapshot, made from a [`TlsSpec`] and replaced as a whole.
//!
//! A name leads to its app by the app's hosts, and an app's certificates are looked at for its own hosts alone; where
//! none of them covers the name, the server's own ones are. All steps are look-ups in maps, whose size does not matter.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{
    ClientHello, NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, ServerConfig, SignatureAlgorithm, SignatureScheme};

use crate::certificate::Certificate;
use crate::tickets::{BoundTickets, Tickets};
use crate::tls_spec::{ClientCertificates, TlsSpec, TlsVersions};

/// The protocols that are offered by ALPN, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// All certificates that are shown.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// The apps, by their hosts.
    sites: ByName<Arc<Site>>,
    /// For all other names.
    others: Site,
}

/// A certificate as it is shown for some names.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The certificate.
    pub(crate) certificate: Arc<Certificate>,
    /// What the handshake needs.
    pub(crate) config: Arc<ServerConfig>,
    /// What is asked of clients.
    pub(crate) clients: ClientCertificates,
}

/// What is shown for the hosts of one app.
#[derive(Debug, Default)]
struct Site {
    /// Its own certificates.
    own: Names,
    /// The server's, with what holds for the app.
    default: Arc<Names>,
    clients: ClientCertificates,
}

/// Something for each of many names, which may be wildcards for one label.
#[derive(Debug)]
struct ByName<T> {
    exact: HashMap<String, T>,
    /// By what follows the wildcard's `*.`.
    wildcards: HashMap<String, T>,
}

/// Certificates by the names that they cover, those for the same name side by side.
type Names = ByName<Vec<Arc<Shown>>>;

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnusableError {
    /// The library refuses.
    #[error("the certificate cannot be used")]
    Certificate(#[from] Error),
    /// The authority of clients' certificates cannot be used.
    #[error("the authority for clients' certificates cannot be used")]
    Authority(#[from] VerifierBuilderError),
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcards: HashMap::new() }
    }
}

impl<T> ByName<T> {
    fn entry(&mut self, name: &str) -> Entry<'_, String, T> {
        match name.strip_prefix("*.") {
            Some(suffix) => self.wildcards.entry(suffix.to_owned()),
            None => self.exact.entry(name.to_owned()),
        }
    }

    /// What there is for a host: by its own name, else by the wildcard above it.
    fn get(&self, host: &str) -> Option<&T> {
        self.exact.get(host).or_else(|| {
            let (label, suffix) = host.split_once('.')?;
            self.wildcards.get(suffix).filter(|_| !label.is_empty())
        })
    }
}

impl Certificates {
    /// Makes a snapshot; tickets are shared by all of them.
    pub(crate) fn build(spec: &TlsSpec, tickets: &Arc<Tickets>) -> Self {
        let mut maker =
            Maker { provider: Arc::new(aws_lc_rs::default_provider()), tickets, defaults: HashMap::new() };
        let ordinary = ClientCertificates::default();
        let others = Site {
            own: ByName::default(),
            default: maker.default(spec, spec.versions, &ordinary),
            clients: ordinary,
        };
        let mut sites = ByName::default();
        for app in &spec.apps {
            let site = Arc::new(Site {
                own: maker.by_name(&app.certificates, app.versions, &app.clients),
                default: maker.default(spec, app.versions, &app.clients),
                clients: app.clients.clone(),
            });
            for host in &app.hosts {
                sites.entry(host.as_str()).or_insert_with(|| Arc::clone(&site));
            }
        }
        Self { sites, others }
    }

    /// What a client that asks for a host is shown, if there is anything to show.
    pub(crate) fn choose(&self, host: &str, hello: &ClientHello<'_>) -> Option<Arc<Shown>> {
        let site = self.site(host);
        let side_by_side = site.own.get(host).or_else(|| site.default.get(host))?;
        best(side_by_side, hello.signature_schemes()).map(Arc::clone)
    }

    /// What is asked of the clients of a host.
    pub(crate) fn clients_of(&self, host: &str) -> &ClientCertificates {
        &self.site(host).clients
    }

    /// Whether an app has a certificate of its own for a host.
    pub(crate) fn has_own(&self, host: &str) -> bool {
        self.site(host).own.get(host).is_some()
    }

    fn site(&self, host: &str) -> &Site {
        self.sites.get(host).map_or(&self.others, |site| site)
    }
}

/// Of the certificates for one name the one that a client can check, that is valid, that costs least to sign with,
/// and that is valid longest, in this order.
fn best<'a>(side_by_side: &'a [Arc<Shown>], schemes: &[SignatureScheme]) -> Option<&'a Arc<Shown>> {
    if let [only] = side_by_side {
        return Some(only);
    }
    let now = SystemTime::now();
    side_by_side.iter().max_by_key(|shown| {
        let certificate = &shown.certificate;
        let key = &certificate.certified().key;
        let fits = key.choose_scheme(schemes).is_some();
        let costly = key.algorithm() == SignatureAlgorithm::RSA;
        (fits, certificate.not_after() > now, Reverse(costly), certificate.not_after())
    })
}

/// Makes what handshakes need, and the same only once.
struct Maker<'a> {
    provider: Arc<CryptoProvider>,
    tickets: &'a Arc<Tickets>,
    defaults: HashMap<(TlsVersions, ClientCertificates), Arc<Names>>,
}

impl Maker<'_> {
    fn default(&mut self, spec: &TlsSpec, versions: TlsVersions, clients: &ClientCertificates) -> Arc<Names> {
        let key = (versions, clients.clone());
        if let Some(made) = self.defaults.get(&key) {
            return Arc::clone(made);
        }
        let made = Arc::new(self.by_name(&spec.default, versions, clients));
        self.defaults.insert(key, Arc::clone(&made));
        made
    }

    fn by_name(
        &self,
        certificates: &[Arc<Certificate>],
        versions: TlsVersions,
        clients: &ClientCertificates,
    ) -> Names {
        let mut by_name = Names::default();
        for certificate in certificates {
            let config = match self.config(certificate, versions, clients) {
                Ok(config) => Arc::new(config),
                // Nobody is shown it, rather than with less than was asked for.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(?certificate, error, "a certificate is not shown");
                    continue;
                }
            };
            let (certificate, clients) = (Arc::clone(certificate), clients.clone());
            let shown = Arc::new(Shown { certificate, config, clients });
            for name in shown.certificate.names() {
                by_name.entry(name).or_default().push(Arc::clone(&shown));
            }
        }
        by_name
    }

    fn config(
        &self,
        certificate: &Certificate,
        versions: TlsVersions,
        clients: &ClientCertificates,
    ) -> Result<ServerConfig, UnusableError> {
        let versions = match versions {
            TlsVersions::Modern => &[&TLS13][..],
            TlsVersions::Intermediate => &[&TLS13, &TLS12],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?;
        let verifier = |authority: &crate::tls_spec::ClientAuthority| {
            let roots = Arc::clone(authority.roots());
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&self.provider))
        };
        let builder = match clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Optional(authority) => {
                builder.with_client_cert_verifier(verifier(authority).allow_unauthenticated().build()?)
            }
            ClientCertificates::Required(authority) => {
                builder.with_client_cert_verifier(verifier(authority).build()?)
            }
        };
        let resolver = SingleCertAndKey::from(Arc::clone(certificate.certified()));
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // A ticket keeps the session at the client: all workers can resume it, and none of them has to remember it.
        config.ticketer = Arc::new(BoundTickets::new(Arc::clone(self.tickets), clients.ticket_context()));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd};

    use super::*;
    use crate::tls_spec::AppTls;

    const BOTH: &[SignatureScheme] =
        &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256];
    const RSA: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA256];

    fn made(names: &[&str], year: i32, rsa: bool) -> Arc<Certificate> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.not_after = date_time_ymd(year, 1, 1);
        let key = match rsa {
            true => KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(),
            false => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
        };
        let chain = parameters.self_signed(&key).unwrap().pem();
        Arc::new(Certificate::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap())
    }

    fn certificate(names: &[&str]) -> Arc<Certificate> {
        made(names, 2999, false)
    }

    fn app(hosts: &[&str], certificates: &[&Arc<Certificate>]) -> AppTls {
        AppTls {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            certificates: certificates.iter().map(|certificate| Arc::clone(certificate)).collect(),
            versions: TlsVersions::default(),
            clients: ClientCertificates::default(),
        }
    }

    fn build(default: &[&Arc<Certificate>], apps: Vec<AppTls>) -> Certificates {
        let default = default.iter().map(|certificate| Arc::clone(certificate)).collect();
        let spec = TlsSpec { default, apps, versions: TlsVersions::default() };
        Certificates::build(&spec, &Arc::new(Tickets::new().unwrap()))
    }

    /// The certificate that is shown for a host.
    #[track_caller]
    fn assert_shown(certificates: &Certificates, host: &str, expected: Option<&Arc<Certificate>>) {
        let site = certificates.site(host);
        let found = site.own.get(host).or_else(|| site.default.get(host));
        let found = found.and_then(|found| best(found, BOTH)).map(|shown| &shown.certificate);
        assert!(
            match (found, expected) {
                (Some(found), Some(expected)) => Arc::ptr_eq(found, expected),
                (None, None) => true,
                _ => false,
            },
            "{host}: {found:?}"
        );
    }

    #[test]
    fn the_certificate_is_the_one_for_the_name_or_none() {
        let (shop, apps) = (certificate(&["shop.example"]), certificate(&["*.apps.example"]));
        let certificates = build(&[&shop, &apps], Vec::new());
        assert_shown(&certificates, "shop.example", Some(&shop));
        assert_shown(&certificates, "blog.apps.example", Some(&apps));
        for host in ["apps.example", "a.b.apps.example", "other.example", ".apps.example", ""] {
            assert_shown(&certificates, host, None);
        }
        assert_shown(&Certificates::default(), "shop.example", None);
    }

    #[test]
    fn an_apps_certificate_is_shown_for_its_own_hosts_alone() {
        let (default, wide) = (certificate(&["*.example"]), certificate(&["*.example", "blog.test"]));
        let narrow = certificate(&["shop.example"]);
        let apps = vec![
            app(&["blog.example", "blog.test"], &[&wide]),
            app(&["shop.example", "*.wild.example", "shop.test"], &[&narrow]),
        ];
        let certificates = build(&[&default], apps);
        assert_shown(&certificates, "blog.example", Some(&wide));
        assert_shown(&certificates, "blog.test", Some(&wide));
        assert_shown(&certificates, "shop.example", Some(&narrow));
        assert_shown(&certificates, "other.example", Some(&default));
        for host in ["shop.test", "a.wild.example"] {
            assert_shown(&certificates, host, None);
        }
        assert!(certificates.has_own("blog.example") && !certificates.has_own("other.example"));
    }

    #[test]
    fn exact_goes_before_wildcard_and_then_the_one_that_is_valid_longest() {
        let exact = made(&["a.example"], 2100, false);
        let (sooner, later) = (made(&["*.example"], 2200, false), made(&["*.example"], 2300, false));
        let apps = vec![app(&["a.example", "b.example"], &[&sooner, &exact, &later])];
        let certificates = build(&[], apps);
        assert_shown(&certificates, "a.example", Some(&exact));
        assert_shown(&certificates, "b.example", Some(&later));
    }

    #[test]
    fn of_two_kinds_of_key_a_client_gets_what_it_can_check() {
        let (ecdsa, rsa) = (made(&["a.example"], 2100, false), made(&["a.example"], 2200, true));
        let expired = made(&["a.example"], 2001, false);
        let certificates = build(&[], vec![app(&["a.example"], &[&ecdsa, &rsa, &expired])]);
        let found = certificates.site("a.example").own.get("a.example").unwrap();
        assert!(Arc::ptr_eq(&best(found, BOTH).unwrap().certificate, &ecdsa));
        assert!(Arc::ptr_eq(&best(found, RSA).unwrap().certificate, &rsa));
        let certificates = build(&[], vec![app(&["a.example"], &[&expired, &rsa])]);
        assert_shown(&certificates, "a.example", Some(&rsa));
    }
}
