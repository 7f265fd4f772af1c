//! Names of objects and commits, and who made a commit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An object's name: forty lowercase hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(String);

/// A text that names no object.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not the name of an object: it has forty hexadecimal digits")]
pub struct ObjectIdError(String);

/// The name of an object that is a commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(ObjectId);

/// Who makes a commit, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// A person's name.
    pub name: String,
    /// An address.
    pub email: String,
    /// Seconds since the Unix epoch.
    pub seconds: i64,
}

impl ObjectId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn to_oid(&self) -> Result<git2::Oid, git2::Error> {
        git2::Oid::from_str(&self.0)
    }

    pub(super) fn from_oid(oid: git2::Oid) -> Self {
        Self(oid.to_string())
    }
}

impl CommitId {
    /// The commit as an object like any other.
    pub fn object(&self) -> &ObjectId {
        &self.0
    }

    /// The whole name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The first seven digits, as people see them.
    pub fn short(&self) -> &str {
        self.as_str().get(..7).unwrap_or_default()
    }

    pub(super) fn to_oid(&self) -> Result<git2::Oid, git2::Error> {
        self.0.to_oid()
    }

    /// Takes the name of what is known to be a commit.
    pub(super) fn from_oid(oid: git2::Oid) -> Self {
        Self(ObjectId::from_oid(oid))
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 40 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ObjectIdError(text.to_owned()))
        }
    }
}

impl FromStr for CommitId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for ObjectId {
    type Error = ObjectIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_names() {
        let name = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(name.parse::<CommitId>().unwrap().short(), "0123456");
        for text in ["", "main", "0123456", &name.to_uppercase(), &format!("{name}0"), "-123"] {
            assert!(text.parse::<CommitId>().is_err(), "{text}");
        }
    }
}
