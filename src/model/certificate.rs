//! Certificates of apps as they are recorded. What stands in them is read elsewhere.

use std::fmt;
use std::str::FromStr;

/// Whose a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateKind {
    /// Somebody's own, who also replaces it in time.
    Own,
    /// Issued by an authority at the server's request, and renewed by it.
    Automatic,
}

impl fmt::Display for CertificateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Automatic => "automatic",
        })
    }
}

/// A text that is no kind of certificate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is neither own nor automatic")]
pub struct CertificateKindError(String);

impl FromStr for CertificateKind {
    type Err = CertificateKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "own" => Ok(Self::Own),
            "automatic" => Ok(Self::Automatic),
            _ => Err(CertificateKindError(text.to_owned())),
        }
    }
}

/// What tells the certificates of one app and one kind apart: lower-case letters, digits, `-` and `.`, 64 at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateName(String);

impl CertificateName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CertificateName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no name for a certificate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a name for a certificate: use lower-case letters, digits, - and ., 64 at most")]
pub struct CertificateNameError(String);

impl FromStr for CertificateName {
    type Err = CertificateNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let valid = (1..=64).contains(&text.len())
            && text.bytes().all(known)
            && text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if valid { Ok(Self(text.to_owned())) } else { Err(CertificateNameError(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds_are_read_as_they_are_written() {
        for name in ["default", "www.example.com", "2024-rsa"] {
            assert_eq!(name.parse::<CertificateName>().unwrap().to_string(), name);
        }
        for bad in ["", "A", "-a", ".a", "a b", "a/b", &"a".repeat(65)] {
            assert!(bad.parse::<CertificateName>().is_err(), "{bad}");
        }
        for kind in [CertificateKind::Own, CertificateKind::Automatic] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }
}
