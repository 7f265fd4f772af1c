//! Who somebody is and what they may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::app_name::AppName;

/// What a key may do. Each role may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads what is no secret: lists, reports, logs, builds.
    Viewer,
    /// Pushes, reads and sets config vars, scales, runs commands in apps.
    Deployer,
    /// Everything, other people's keys included.
    Admin,
}

/// A text that names no role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a role: use viewer, deployer or admin")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "deployer" => Ok(Self::Deployer),
            "admin" => Ok(Self::Admin),
            _ => Err(RoleError(text.to_owned())),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        })
    }
}

/// Which apps a key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppAccess {
    /// Every app, also those made later.
    All,
    /// These apps and no others.
    Only(Vec<AppName>),
}

impl AppAccess {
    /// Whether the app is among them.
    pub fn includes(&self, app_name: &AppName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(app_name),
        }
    }
}

/// Somebody whose identity has been proven: by an SSH signature, or by the kernel on the Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name that the key was added under, or `root` for the host itself.
    pub name: String,
    /// The key's SHA-256 fingerprint (`SHA256:…`), if a key was used.
    pub fingerprint: Option<String>,
    /// What they may do.
    pub role: Role,
    /// On which apps.
    pub access: AppAccess,
}

impl Caller {
    /// The person at the host's own console, who may do everything.
    pub fn host() -> Self {
        Self { name: "root".to_owned(), fingerprint: None, role: Role::Admin, access: AppAccess::All }
    }
}
