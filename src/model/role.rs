//! Who somebody is and what they may do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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
    /// The pass of a plugin's executable, if it is one.
    pub pass: Option<Arc<PluginPass>>,
}

/// What an executable of a plugin may do while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginPass {
    /// The plugin.
    pub plugin: String,
    /// The commands that it may run.
    pub commands: Vec<String>,
    /// The app whose deploy waits for it, if one does.
    pub deploying: Option<AppName>,
}

impl Caller {
    /// Somebody of whom nothing is known, who may do nothing.
    pub fn nobody() -> Self {
        let pass = PluginPass { plugin: "nobody".to_owned(), commands: Vec::new(), deploying: None };
        Self {
            name: "nobody".to_owned(),
            fingerprint: None,
            role: Role::Viewer,
            access: AppAccess::Only(Vec::new()),
            pass: Some(Arc::new(pass)),
        }
    }

    /// Whether it is the host itself: nobody with a key, and no plugin.
    pub fn is_host(&self) -> bool {
        self.fingerprint.is_none() && self.pass.is_none()
    }

    /// Whether a deploy of that app waits for what this caller does.
    pub fn holds_up(&self, app: &AppName) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.deploying.as_ref() == Some(app))
    }

    /// The person at the host's own console, who may do everything.
    pub fn host() -> Self {
        Self {
            name: "root".to_owned(),
            fingerprint: None,
            role: Role::Admin,
            access: AppAccess::All,
            pass: None,
        }
    }
}
