//! The program that makes and removes TXT records: `HOOK present|cleanup NAME VALUE`.
//!
//! It is run without a shell, with an environment of its own, and is killed with all that it started when its time
//! is over. What it needs beyond its arguments, such as a key of a DNS provider, it reads from its own files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use crate::process::{ProcessError, Program, RunLimits};

/// How long one call may take.
const TIME: Duration = Duration::from_secs(180);
/// What is kept of what it prints.
const OUTPUT: usize = 4096;

/// The program.
#[derive(Clone, Debug)]
pub struct DnsHook {
    path: PathBuf,
}

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// It is added; others of the same name stay.
    Present,
    /// It is removed; others of the same name stay.
    Cleanup,
}

/// Why a record could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The program did not run to its end.
    #[error("the program for DNS records did not do it")]
    Run(#[from] ProcessError),
    /// The program says that it failed.
    #[error("the program for DNS records failed for {name}: {status}{words}")]
    Failed {
        /// The record.
        name: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// What it said last.
        words: String,
    },
}

impl RecordChange {
    fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}

impl DnsHook {
    /// The program in that file.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Has a TXT record changed.
    pub async fn change(&self, change: RecordChange, name: &str, value: &str) -> Result<(), HookError> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let program = Program::new(&self.path, directory).arguments([change.as_str(), name, value]);
        let limits = RunLimits { time: TIME, output_bytes: OUTPUT };
        let finished = program.run(Bytes::new(), limits).await?;
        if finished.status.success() {
            return Ok(());
        }
        let words = finished.last_words();
        let words = if words.is_empty() { words } else { format!(": {words}") };
        Err(HookError::Failed { name: name.to_owned(), status: finished.status, words })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A program that writes down how it was called.
    fn hook(directory: &Path, script: &str) -> DnsHook {
        let path = directory.join("hook");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        DnsHook::new(&path)
    }

    #[tokio::test]
    async fn it_gets_its_arguments_as_they_are_and_none_of_the_servers_environment() {
        let directory = tempfile::tempdir().unwrap();
        let hook = hook(directory.path(), "printf '%s|' \"$@\" > said; env >> said");
        hook.change(RecordChange::Present, "_acme-challenge.a.example", "x $(id) -y").await.unwrap();
        let said = fs::read_to_string(directory.path().join("said")).unwrap();
        assert!(said.starts_with("present|_acme-challenge.a.example|x $(id) -y|"), "{said}");
        assert!(!said.contains("CARGO"), "{said}");
    }

    #[tokio::test]
    async fn a_failure_says_what_it_said_last() {
        let directory = tempfile::tempdir().unwrap();
        let hook = hook(directory.path(), "echo no such zone >&2; exit 3");
        let error = hook.change(RecordChange::Cleanup, "_acme-challenge.a.example", "v").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the program for DNS records failed for _acme-challenge.a.example: exit status: 3: no such zone"
        );
        let missing = DnsHook::new(&directory.path().join("nothing"));
        assert!(matches!(missing.change(RecordChange::Present, "a", "b").await, Err(HookError::Run(_))));
    }
}
