//! The output of runs that have ended, one file each, and how long the history is.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;

use crate::app::App;
use crate::store::StoreError;
use crate::store::apps::AppId;

/// Runs of each app that are remembered.
pub const KEEP: u32 = 50;

/// Why the history could not be shortened.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The database cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files cannot be listed or removed.
    #[error("the outputs of scheduled tasks cannot be tidied up")]
    Files(#[from] io::Error),
}

/// Where the output of a run is kept.
pub fn path(root: &Path, run: i64) -> PathBuf {
    directory(root).join(format!("{run}.log"))
}

/// Keeps a run's output. That it cannot be kept ends no run.
pub async fn keep(root: &Path, run: i64, output: &[u8]) {
    let path = path(root, run);
    let written = async {
        fs::create_dir_all(directory(root)).await?;
        fs::write(&path, output).await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, path = %path.display(), "the output of a scheduled task cannot be kept");
    }
}

/// Forgets an app's old runs, and removes the outputs that belong to no run.
pub async fn shorten(app: &App, id: AppId) -> Result<(), HistoryError> {
    app.store.prune_cron_runs(id, KEEP).await?;
    let files = kept(&app.settings.root).await?;
    // Read after the list: a run is known before it has a file.
    let known: HashSet<i64> = app.store.cron_run_ids().await?.into_iter().collect();
    for run in files.into_iter().filter(|run| !known.contains(run)) {
        match fs::remove_file(path(&app.settings.root, run)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

async fn kept(root: &Path) -> io::Result<Vec<i64>> {
    let mut runs = Vec::new();
    let mut entries = match fs::read_dir(directory(root)).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(runs),
        entries => entries?,
    };
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        runs.extend(name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<i64>().ok()));
    }
    Ok(runs)
}

fn directory(root: &Path) -> PathBuf {
    root.join("logs/cron")
}
