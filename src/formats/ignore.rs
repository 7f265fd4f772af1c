//! What of a source stays at home, whichever file says so.

use crate::formats::dockerignore::DockerIgnore;
use crate::formats::slugignore::SlugIgnore;

/// The rules of one builder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignore {
    /// Of a build from a Dockerfile.
    Docker(DockerIgnore),
    /// Of a build by buildpacks.
    Slug(SlugIgnore),
}

impl Ignore {
    /// Whether a file stays out. The path is relative to what is built, with slashes.
    pub fn is_ignored(&self, path: &str) -> bool {
        match self {
            Self::Docker(rules) => rules.is_ignored(path),
            Self::Slug(rules) => rules.is_ignored(path),
        }
    }

    /// Whether nothing below a directory is wanted, so that it need not be walked.
    pub fn is_directory_ignored(&self, path: &str) -> bool {
        match self {
            Self::Docker(rules) => rules.is_directory_ignored(path),
            Self::Slug(rules) => rules.is_directory_ignored(path),
        }
    }
}

impl Default for Ignore {
    /// Nothing is ignored.
    fn default() -> Self {
        Self::Docker(DockerIgnore::default())
    }
}
