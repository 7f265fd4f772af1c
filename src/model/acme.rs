//! What can be chosen about automatic certificates: whose they are, how a name is proven, what kind of key.

use std::fmt;
use std::str::FromStr;

/// The address of a certificate authority's directory (RFC 8555, section 7.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirectoryUrl(String);

/// A text that names no certificate authority.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is no certificate authority")]
pub struct DirectoryUrlError(String);

/// Authorities that have a name here, and their directories.
const KNOWN: &[(&str, &str)] = &[
    ("default", DirectoryUrl::LETS_ENCRYPT),
    ("letsencrypt", DirectoryUrl::LETS_ENCRYPT),
    ("production", DirectoryUrl::LETS_ENCRYPT),
    ("staging", DirectoryUrl::LETS_ENCRYPT_STAGING),
    ("zerossl", "https://acme.zerossl.com/v2/DV90"),
    ("google", "https://dv.acme-v02.api.pki.goog/directory"),
    ("buypass", "https://api.buypass.com/acme/directory"),
];

impl DirectoryUrl {
    /// Let's Encrypt, whom browsers trust.
    pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
    /// Let's Encrypt's place for trying things out, whose certificates nobody trusts.
    pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Let's Encrypt's staging.
    pub fn staging() -> Self {
        Self(Self::LETS_ENCRYPT_STAGING.to_owned())
    }
}

impl Default for DirectoryUrl {
    fn default() -> Self {
        Self(Self::LETS_ENCRYPT.to_owned())
    }
}

impl FromStr for DirectoryUrl {
    type Err = DirectoryUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, url)) = KNOWN.iter().find(|(name, _)| *name == text) {
            return Ok(Self((*url).to_owned()));
        }
        // Without encryption nobody could tell whose certificates they are (RFC 8555, section 6.1).
        let url = url::Url::parse(text).map_err(|_| DirectoryUrlError(text.to_owned()))?;
        let usable = url.scheme() == "https" && url.has_host() && url.username().is_empty();
        if usable { Ok(Self(text.to_owned())) } else { Err(DirectoryUrlError(text.to_owned())) }
    }
}

impl fmt::Display for DirectoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How it is proven to an authority that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChallengeKind {
    /// An answer over HTTP at port 80 (RFC 8555, section 8.3).
    Http01,
    /// A certificate shown at port 443 (RFC 8737).
    TlsAlpn01,
    /// A TXT record (RFC 8555, section 8.4), the only way for wildcards.
    Dns01,
}

/// What a person chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChallengeChoice {
    /// HTTP-01, else TLS-ALPN-01; DNS-01 for wildcards.
    #[default]
    Automatic,
    /// This one.
    Always(ChallengeKind),
}

/// A text that is none of the words that are known.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not known here")]
pub struct UnknownWord(String);

impl ChallengeKind {
    /// The name in RFC 8555.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChallengeChoice {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Automatic),
            "http" | "http-01" => Ok(Self::Always(ChallengeKind::Http01)),
            "tls" | "tls-alpn" | "tls-alpn-01" => Ok(Self::Always(ChallengeKind::TlsAlpn01)),
            "dns" | "dns-01" => Ok(Self::Always(ChallengeKind::Dns01)),
            _ => Err(UnknownWord(text.to_owned())),
        }
    }
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA with P-256: small and fast.
    #[default]
    Ecdsa,
    /// RSA with 2048 bits, for very old clients.
    Rsa,
}

impl FromStr for KeyKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ecdsa" | "ec256" => Ok(Self::Ecdsa),
            "rsa" | "rsa2048" => Ok(Self::Rsa),
            _ => Err(UnknownWord(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_has_a_name_or_an_https_address() {
        assert_eq!("staging".parse(), Ok(DirectoryUrl::staging()));
        assert_eq!("default".parse(), Ok(DirectoryUrl::default()));
        assert_eq!("https://ca.example:14000/dir".parse::<DirectoryUrl>().unwrap().as_str().len(), 28);
        for text in ["", "stagging", "http://ca.example/dir", "https://", "https://me:secret@ca.example/"] {
            assert!(text.parse::<DirectoryUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn challenges_have_short_and_long_names() {
        let dns = ChallengeChoice::Always(ChallengeKind::Dns01);
        assert_eq!(("dns".parse(), "dns-01".parse()), (Ok(dns), Ok(dns)));
        assert!("ftp".parse::<ChallengeChoice>().is_err());
    }
}
