//! The record of one deploy: its row, and what it printed, kept in `logs/builds/` and in the app's log.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::console::{Console, Output};
use crate::deploy::error::DeployError;
use crate::logs::Logs;
use crate::store::apps::AppId;

/// What is kept of one deploy's output; the person still sees all of it.
const LIMIT: u64 = 16 << 20;
/// What is copied of it into the app's log, so that a long build leaves room there for what the app prints.
const LOG_LIMIT: usize = 1 << 20;
/// What the lines are marked with.
const LOG_PROCESS: &str = "deploy";

/// Where the output of a build is kept.
pub fn path(root: &Path, build: i64) -> PathBuf {
    root.join("logs/builds").join(format!("{build}.log"))
}

/// The builds whose output is kept.
pub async fn kept(root: &Path) -> io::Result<Vec<i64>> {
    let mut builds = Vec::new();
    let mut entries = fs::read_dir(root.join("logs/builds")).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let build = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<i64>().ok());
        builds.extend(build);
    }
    Ok(builds)
}

/// Removes what a build printed.
pub async fn remove(root: &Path, build: i64) {
    let path = path(root, build);
    if let Err(error) = fs::remove_file(&path).await {
        tracing::warn!(%error, path = %path.display(), "the output of a build was not removed");
    }
}

/// Copies what is written to its console to the person and into the file.
#[derive(Debug)]
pub struct Journal {
    /// Gives back the file, unless it could not be written.
    copying: JoinHandle<Option<BufWriter<File>>>,
    log: AppLog,
}

/// The log of the app that is deployed.
#[derive(Clone, Debug)]
pub struct AppLog {
    /// The logs.
    pub logs: Logs,
    /// The app.
    pub app: AppId,
}

impl Journal {
    /// Opens the file and returns the console to write to. A file that cannot be written ends no deploy.
    pub async fn open(root: &Path, build: i64, person: Console, log: AppLog) -> (Self, Console) {
        let (console, output) = Console::new();
        let path = path(root, build);
        let file = match create(&path).await {
            Ok(file) => Some(BufWriter::new(file)),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the output of a build cannot be kept");
                None
            }
        };
        let copying = tokio::spawn(copy(output, person, file, log.clone()));
        (Self { copying, log }, console)
    }

    /// Waits until all that was written has reached the person and the file. Every clone of the console has
    /// to be dropped before.
    ///
    /// Why the deploy failed goes to the file only: the person is told so by the command that asked for it.
    pub async fn close(self, failure: Option<&DeployError>) {
        let file = match self.copying.await {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(%error, "the output of a build was not copied to its end");
                None
            }
        };
        let last_words: String = failure.map(last_words).unwrap_or_default();
        if !last_words.is_empty() {
            self.log.logs.platform_line(self.log.app, LOG_PROCESS, last_words.clone()).await;
        }
        let Some(mut file) = file else { return };
        let written = match file.write_all(last_words.as_bytes()).await {
            Ok(()) => file.flush().await,
            error => error,
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the output of a build was not kept to its end");
        }
    }
}

/// The failure with its causes, marked as on a terminal.
fn last_words(failure: &DeployError) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text.lines().map(|line| format!(" !     {line}\n")).collect()
}

async fn create(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).await?;
    }
    File::create(path).await
}

async fn copy(
    mut output: mpsc::Receiver<Output>,
    person: Console,
    mut file: Option<BufWriter<File>>,
    log: AppLog,
) -> Option<BufWriter<File>> {
    let mut kept = 0;
    let mut lines = LogLines { log, begun: Vec::new(), copied: 0 };
    while let Some(chunk) = output.recv().await {
        let (Output::Stdout(bytes) | Output::Stderr(bytes) | Output::Terminal(bytes)) = &chunk;
        kept += bytes.len() as u64;
        if let Some(writer) = &mut file {
            let written = if kept > LIMIT {
                writer.write_all(b"\n(the rest was not kept)\n").await.and(Err(io::Error::other("too long")))
            } else {
                // Readers follow the file while the build runs, so each chunk has to reach it.
                match writer.write_all(bytes).await {
                    Ok(()) => writer.flush().await,
                    error => error,
                }
            };
            if written.is_err() {
                file = None;
            }
        }
        lines.copy(bytes).await;
        person.write(chunk).await;
    }
    lines.finish().await;
    file
}

/// Copies whole lines into the app's log.
struct LogLines {
    log: AppLog,
    begun: Vec<u8>,
    copied: usize,
}

impl LogLines {
    async fn copy(&mut self, bytes: &[u8]) {
        if self.copied > LOG_LIMIT {
            return;
        }
        self.copied += bytes.len();
        self.begun.extend_from_slice(bytes);
        let whole = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let rest = self.begun.split_off(whole);
        let lines = std::mem::replace(&mut self.begun, rest);
        self.say(lines).await;
        if self.copied > LOG_LIMIT {
            self.say(b"(the rest is in builds:output)".to_vec()).await;
        }
    }

    async fn finish(&mut self) {
        let rest = std::mem::take(&mut self.begun);
        self.say(rest).await;
    }

    async fn say(&self, lines: Vec<u8>) {
        if !lines.is_empty() {
            self.log.logs.platform_line(self.log.app, LOG_PROCESS, lines).await;
        }
    }
}
