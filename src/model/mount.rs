//! What is mounted where, as a person writes it: `SOURCE:TARGET[:OPTIONS]`. Pure: what the host really has at a
//! path is another question.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// The longest path that Linux takes.
const PATH_LIMIT: usize = 4096;
/// What the engine or the kernel puts into every container; a mount there, or below, would break or open it.
const TAKEN: [&str; 6] = ["/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// The name of something in storage: a letter or digit, then up to 62 letters, digits, `_`, `.` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorageName(String);

/// A directory of the host: absolute, without `.`, `..` and empty parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPath(String);

/// A directory in a container where something can be mounted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountTarget(String);

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountSource {
    /// Something that `storage:create` made.
    Named(StorageName),
    /// A directory of the host.
    Directory(HostPath),
}

/// A mount as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountText {
    /// What is mounted.
    pub source: MountSource,
    /// Where.
    pub target: MountTarget,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// A text that is no mount.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MountError {
    /// It is not two parts.
    #[error(
        "Storage path must be two valid paths divided by colon.\nWrite SOURCE:TARGET or SOURCE:TARGET:ro, for example uploads:/app/uploads"
    )]
    Shape,
    /// The name is none.
    #[error(
        "{0} is not a storage name: use letters, digits, _, . and -, at most 63, the first a letter or digit"
    )]
    Name(String),
    /// The path on the host is none.
    #[error("{0} is not a path of the host: write it from / on, without . and .. and doubled slashes")]
    HostPath(String),
    /// The path in the container is none.
    #[error("{0} is not a path in the container: write it from / on, without . and .. and doubled slashes")]
    Target(String),
    /// The path in the container is taken.
    #[error(
        "nothing can be mounted on {0}, every container has its own there\nChoose another directory, for example /data"
    )]
    Taken(String),
    /// An option is not known.
    #[error("{0} is not an option of a mount: use ro or rw")]
    Option(String),
}

impl StorageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StorageName {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if starts_well && text.len() <= 63 && text.bytes().all(inner) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MountError::Name(text.to_owned()))
        }
    }
}

impl HostPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostPath {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        plain_path(text).map(Self).ok_or_else(|| MountError::HostPath(text.to_owned()))
    }
}

impl TryFrom<String> for HostPath {
    type Error = MountError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl MountTarget {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MountTarget {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = plain_path(text).ok_or_else(|| MountError::Target(text.to_owned()))?;
        let taken = |taken: &&str| {
            path.strip_prefix(*taken).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if path == "/" || TAKEN.iter().any(taken) {
            return Err(MountError::Taken(path));
        }
        Ok(Self(path))
    }
}

impl MountSource {
    /// As it is written and stored.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(name) => name.as_str(),
            Self::Directory(path) => path.as_str(),
        }
    }
}

impl FromStr for MountSource {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with(['/', '.', '~']) || text.contains('/') {
            return Ok(Self::Directory(text.parse()?));
        }
        Ok(Self::Named(text.parse()?))
    }
}

impl FromStr for MountText {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (Some(source), Some(target), options, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MountError::Shape);
        };
        if source.is_empty() || target.is_empty() {
            return Err(MountError::Shape);
        }
        let read_only = options.map_or(Ok(false), is_read_only)?;
        Ok(Self { source: source.parse()?, target: target.parse()?, read_only })
    }
}

impl fmt::Display for MountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StorageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for MountTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the options of a mount: `ro` or `rw`.
pub fn is_read_only(options: &str) -> Result<bool, MountError> {
    match options {
        "ro" => Ok(true),
        "rw" | "" => Ok(false),
        other => Err(MountError::Option(other.to_owned())),
    }
}

/// An absolute path without anything that would have to be resolved; one slash at its end is dropped.
fn plain_path(text: &str) -> Option<String> {
    if text == "/" {
        return Some(text.to_owned());
    }
    let path = text.strip_suffix('/').unwrap_or(text);
    let parts = path.strip_prefix('/')?;
    let allowed = |part: &str| !matches!(part, "" | "." | "..");
    let printable = !path.chars().any(|c| c.is_control() || c == ':' || c == ',');
    (path.len() < PATH_LIMIT && printable && parts.split('/').all(allowed)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_two_parts_and_perhaps_an_option() {
        let mount: MountText = "uploads:/app/uploads/".parse().unwrap();
        assert_eq!((mount.source.as_str(), mount.target.as_str()), ("uploads", "/app/uploads"));
        assert!(!mount.read_only && matches!(mount.source, MountSource::Named(_)));
        let mount: MountText = "/srv/data:/data:ro".parse().unwrap();
        assert!(mount.read_only && matches!(mount.source, MountSource::Directory(_)));
        for text in ["", "uploads", "uploads:", ":/data", "a:/b:ro:x", "/a"] {
            assert_eq!(text.parse::<MountText>(), Err(MountError::Shape), "{text}");
        }
        assert_eq!("a:/b:z".parse::<MountText>(), Err(MountError::Option("z".to_owned())));
    }

    #[test]
    fn paths_are_plain() {
        for text in ["../up", "./here", "a/b", "~/x", "/a/../b", "/a//b", "/a/./b", "/a\n"] {
            assert!(matches!(text.parse::<MountSource>(), Err(MountError::HostPath(_))), "{text}");
        }
        for text in ["data", "", "/a/..", "/a//b", "//"] {
            assert!(matches!(text.parse::<MountTarget>(), Err(MountError::Target(_))), "{text}");
        }
        for name in ["-a", ".a", "a b", &"a".repeat(64)] {
            assert!(matches!(name.parse::<StorageName>(), Err(MountError::Name(_))), "{name}");
        }
    }

    #[test]
    fn what_every_container_has_stays_its_own() {
        for text in ["/", "/proc", "/proc/sys", "/sys", "/dev/shm", "/etc/hosts", "/etc/resolv.conf"] {
            assert!(matches!(text.parse::<MountTarget>(), Err(MountError::Taken(_))), "{text}");
        }
        assert!("/process".parse::<MountTarget>().is_ok() && "/etc/app".parse::<MountTarget>().is_ok());
    }
}
