//! Where backups go: a directory of the host, or a bucket of an S3-compatible storage.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

/// Where backups go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A directory of the host: `/mnt/backups`.
    Directory(PathBuf),
    /// A bucket, and what objects in it begin with: `s3://backups/production`, or as Dokku has it, `backups`.
    Bucket {
        /// Its name.
        bucket: String,
        /// What names of objects begin with, without slashes around; may be empty.
        prefix: String,
    },
}

/// A text that names no destination.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DestinationError {
    /// It is neither an absolute path nor a bucket.
    #[error("{0} is neither a bucket nor an absolute path of the host")]
    Neither(String),
    /// A path goes up, or is the root of the file system.
    #[error("{0} cannot be a directory for backups")]
    Directory(String),
}

/// How a bucket is reached, and as whom.
#[derive(Clone, Debug, Default)]
pub struct S3Access {
    /// Access key and secret; without, what the machine itself is given (IAM).
    pub key: Option<S3Key>,
    /// The region; `us-east-1` unless one is named.
    pub region: Option<String>,
    /// The storage's URL, where it is not Amazon's.
    pub endpoint: Option<String>,
}

/// An access key of a storage.
#[derive(Clone, Debug)]
pub struct S3Key {
    /// Its name.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('/') {
            return directory(text);
        }
        let (bucket, prefix) = text
            .strip_prefix("s3://")
            .unwrap_or(text)
            .split_once('/')
            .unwrap_or((text.strip_prefix("s3://").unwrap_or(text), ""));
        let prefix = prefix.trim_matches('/');
        if is_bucket(bucket) && prefix.split('/').all(|part| part != ".." && part != ".") {
            Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        } else {
            Err(DestinationError::Neither(text.to_owned()))
        }
    }
}

fn directory(text: &str) -> Result<Destination, DestinationError> {
    let path = PathBuf::from(text);
    let goes_up = path.components().any(|part| part == std::path::Component::ParentDir);
    if goes_up || path.parent().is_none() {
        return Err(DestinationError::Directory(text.to_owned()));
    }
    Ok(Destination::Directory(path))
}

/// The rules for names of buckets that all storages have: 3 to 63 characters a-z, 0-9, - and .
fn is_bucket(name: &str) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(|c| ends(c) || c == '-' || c == '.')
        && name.starts_with(ends)
        && name.ends_with(ends)
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_directories_are_told_apart() {
        let bucket = |bucket: &str, prefix: &str| Destination::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        for (text, expected) in [
            ("backups", bucket("backups", "")),
            ("backups/", bucket("backups", "")),
            ("backups/a/b", bucket("backups", "a/b")),
            ("s3://backups.example.com/a/", bucket("backups.example.com", "a")),
            ("/mnt/backups", Destination::Directory("/mnt/backups".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
            assert_eq!(expected.to_string().parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "ab",
            "./backups",
            "../backups",
            "Backups",
            "-backups",
            "a b c",
            "backups/../x",
            "/",
            "/a/../b",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
