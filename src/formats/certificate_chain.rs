//! What stands in certificates, and the order in which they are served: the one that the key belongs to first, then
//! whoever signed it, then whoever signed that (RFC 8446, section 4.4.2).

use secrecy::{ExposeSecret, SecretString};
use slipway_router::certificate::{Certificate as Served, CertificateError, fits};
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::formats::pem_pair::{self, PemPair};

/// A certificate and those between it and its authority, as they can be served.
#[derive(Clone, Debug)]
pub struct CertificateChain {
    /// PEM texts, in order.
    pub pem: String,
    /// What stands in the first.
    pub facts: CertificateFacts,
    /// What was done to the texts as they came, and what is missing, as sentences without a full stop.
    pub notes: Vec<String>,
}

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The hosts it is for, lower-case, wildcards included.
    pub hosts: Vec<String>,
    /// Whose it is (RFC 4514).
    pub subject: String,
    /// Who has signed it (RFC 4514).
    pub issuer: String,
    /// The beginning of its validity, in seconds since the Unix epoch.
    pub not_before: i64,
    /// The end of its validity, in seconds since the Unix epoch.
    pub not_after: i64,
    /// Whether nobody but itself has signed it.
    pub self_signed: bool,
}

/// One certificate, as it came and as it is read: it is never written anew, since that might change what is signed.
#[derive(Clone, Debug, PartialEq)]
struct One {
    text: String,
    parsed: Certificate,
}

/// Why certificates cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// One of them is none.
    #[error("A certificate in it cannot be read")]
    Malformed(#[source] x509_cert::der::Error),
    /// A text is no PEM.
    #[error("A certificate in it is not in PEM form")]
    NoPem,
    /// The key is for none of them.
    #[error("The private key belongs to none of the certificates")]
    ForeignKey,
    /// The key is none that could be served, whoever's it is.
    #[error("The private key is of a kind that cannot be served, too short, or broken")]
    UnknownKey,
    /// The router cannot serve them.
    #[error("The certificate cannot be served")]
    Unusable(#[source] CertificateError),
}

impl CertificateFacts {
    /// Reads the first certificate of a PEM text.
    pub fn of(pem: &str) -> Result<Self, ChainError> {
        let all = parse(pem)?;
        let first = all.first().ok_or(ChainError::Unusable(CertificateError::NoCertificate))?;
        Ok(Self::read(&first.parsed))
    }

    fn read(certificate: &Certificate) -> Self {
        let body = certificate.tbs_certificate();
        let validity = body.validity();
        let seconds = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        Self {
            hosts: hosts(certificate),
            subject: body.subject().to_string(),
            issuer: body.issuer().to_string(),
            not_before: seconds(validity.not_before),
            not_after: seconds(validity.not_after),
            self_signed: body.issuer() == body.subject(),
        }
    }
}

/// Puts the certificates in order, leaves out what does not belong to them, and checks that they can be served.
pub fn mend(pair: &PemPair) -> Result<CertificateChain, ChainError> {
    let mut rest = parse(&pair.certificates)?;
    let position = rest
        .iter()
        .position(|one| fits(one.text.as_bytes(), pair.key.expose_secret().as_bytes()))
        .ok_or_else(|| if is_known(&pair.key) { ChainError::ForeignKey } else { ChainError::UnknownKey })?;
    let mut notes = Vec::new();
    let mut chain = vec![rest.remove(position)];
    let mut moved = position > 0;
    while let Some(last) = chain
        .last()
        .filter(|last| last.parsed.tbs_certificate().issuer() != last.parsed.tbs_certificate().subject())
    {
        let issuer = last.parsed.tbs_certificate().issuer();
        let is_issuer = |one: &One| one.parsed.tbs_certificate().subject() == issuer;
        let Some(next) = rest.iter().position(is_issuer) else { break };
        moved |= next > 0;
        chain.push(rest.remove(next));
    }
    rest.retain(|one| !chain.contains(one));
    if moved {
        notes.push("The certificates were put in the order in which clients want them".to_owned());
    }
    if !rest.is_empty() {
        let names: Vec<String> =
            rest.iter().map(|one| one.parsed.tbs_certificate().subject().to_string()).collect();
        notes.push(format!("Left out, as they did not sign it: {}", names.join("; ")));
    }
    let pem: String = chain.iter().map(|one| one.text.as_str()).collect();
    Served::from_pem(pem.as_bytes(), pair.key.expose_secret().as_bytes()).map_err(ChainError::Unusable)?;
    let [first, ..] = chain.as_slice() else { return Err(ChainError::ForeignKey) };
    let facts = CertificateFacts::read(&first.parsed);
    if chain.len() == 1 && !facts.self_signed {
        notes.push(format!(
            "The certificate of its authority is not among them ({}): clients that do not know that one will refuse",
            facts.issuer
        ));
    }
    Ok(CertificateChain { pem, facts, notes })
}

fn is_known(key: &SecretString) -> bool {
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
    key.is_ok_and(|key| any_supported_type(&key).is_ok())
}

fn parse(pem: &str) -> Result<Vec<One>, ChainError> {
    let one = |text: String| {
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| ChainError::NoPem)?;
        let parsed = Certificate::from_der(&der).map_err(ChainError::Malformed)?;
        Ok(One { text, parsed })
    };
    pem_pair::certificates(pem).map(one).collect()
}

fn hosts(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    let host = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    };
    names.0.iter().filter_map(host).collect()
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    /// Root, intermediate and leaf for `www.example`, and the leaf's key.
    fn chain() -> ([String; 3], String) {
        let authority = |name: &str| {
            let mut parameters = CertificateParams::default();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.distinguished_name.push(DnType::CommonName, name);
            (parameters, KeyPair::generate().unwrap())
        };
        let (root, root_key) = authority("Root");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let (middle, middle_key) = authority("Middle");
        let middle_pem = middle.signed_by(&middle_key, &root).unwrap().pem();
        let middle = Issuer::new(middle, middle_key);
        let mut leaf = CertificateParams::new(["WWW.example".to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "www.example");
        leaf.not_before = date_time_ymd(2001, 9, 9);
        leaf.not_after = date_time_ymd(2999, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf_pem = leaf.signed_by(&key, &middle).unwrap().pem();
        ([root_pem, middle_pem, leaf_pem], key.serialize_pem())
    }

    fn pair(certificates: &[&String], key: &str) -> PemPair {
        let certificates: String = certificates.iter().map(|pem| pem.replace("\r\n", "\n")).collect();
        PemPair { certificates, key: key.into() }
    }

    #[test]
    fn certificates_are_put_in_order_and_strangers_left_out() {
        let ([root, middle, leaf], key) = chain();
        let ([stranger, ..], _) = chain();
        let good = mend(&pair(&[&leaf, &middle, &root], &key)).unwrap();
        assert!(good.notes.is_empty(), "{:?}", good.notes);
        assert_eq!(good.facts.hosts, ["www.example"]);
        assert_eq!(
            (good.facts.subject.as_str(), good.facts.issuer.as_str()),
            ("CN=www.example", "CN=Middle")
        );
        assert_eq!((good.facts.not_before, good.facts.self_signed), (999_993_600, false));
        assert_eq!(CertificateFacts::of(&good.pem).unwrap(), good.facts);

        let mended = mend(&pair(&[&root, &stranger, &leaf, &middle, &leaf], &key)).unwrap();
        assert_eq!(mended.pem, good.pem);
        let notes = mended.notes.join("\n");
        assert!(notes.contains("put in the order") && notes.contains("Left out"), "{notes}");
        let alone = mend(&pair(&[&leaf], &key)).unwrap();
        assert!(alone.notes.join("").contains("not among them (CN=Middle)"), "{:?}", alone.notes);
    }

    #[test]
    fn what_cannot_be_served_says_why() {
        let ([_, middle, leaf], _) = chain();
        let (_, foreign) = chain();
        let error = |certificates: &[&String], key: &str| {
            let error = mend(&pair(certificates, key)).unwrap_err();
            let source = error.source().map(|source| format!(": {source}"));
            format!("{error}{}", source.unwrap_or_default())
        };
        assert_eq!(error(&[&leaf, &middle], &foreign), "The private key belongs to none of the certificates");
        let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(
            error(&[&leaf, &middle], broken),
            "The private key is of a kind that cannot be served, too short, or broken"
        );
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
        assert!(error(&[&nonsense], &foreign).starts_with("A certificate in it cannot be read: "));
        let nameless = CertificateParams::default();
        let key = KeyPair::generate().unwrap();
        let nameless = nameless.self_signed(&key).unwrap().pem();
        assert_eq!(
            error(&[&nameless], &key.serialize_pem()),
            "The certificate cannot be served: the certificate names no host (subjectAltName)"
        );
    }
}
