//! Folders that are to become plugins.

use std::path::Path;

use crate::harness::process::Output;
use crate::harness::repo::Repo;
use crate::harness::server::Server;

/// A plugin's folder, which is a repository as well.
#[derive(Debug)]
pub struct PluginFolder {
    repo: Repo,
    name: String,
}

impl PluginFolder {
    /// A folder with a manifest of that name and version; `rest` follows `[plugin]`.
    pub fn new(name: &str, rest: &str) -> Self {
        let folder = Self { repo: Repo::new(), name: name.to_owned() };
        folder.manifest("1.0", rest);
        folder
    }

    /// Writes the manifest anew.
    pub fn manifest(&self, version: &str, rest: &str) {
        let text = format!("[plugin]\nname = \"{}\"\nversion = \"{version}\"\napi = 1\n\n{rest}", self.name);
        self.repo.write("plugin.toml", text);
    }

    /// Adds an executable.
    #[must_use]
    pub fn with(self, path: &str, text: &str) -> Self {
        self.repo.write_executable(path, text);
        self
    }

    /// The repository that it is.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.repo.path()
    }

    /// Installs it on the host.
    pub fn install(&self, server: &Server) -> Output {
        server.command(&["plugin:install", "--force", self.path().to_str().unwrap()])
    }
}
