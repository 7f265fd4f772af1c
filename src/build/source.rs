//! Reading the source before it is built.

use tokio::sync::mpsc;

use crate::build::process_files::{self, Contents};
use crate::build::{BuildOptions, BuildOrder, BuildStageError, relay};
use crate::git::tree::{Snapshot, TreeError};

/// The largest file that is read for its settings, in bytes.
pub const LIMIT: usize = 1 << 20;
/// Lines of progress that may wait for a slow client.
const BACKLOG: usize = 64;

/// The commit with what it refers to on other servers.
pub async fn with_submodules(
    order: &BuildOrder<'_>,
    snapshot: &Snapshot,
) -> Result<Snapshot, BuildStageError> {
    let (progress, lines) = mpsc::channel(BACKLOG);
    let add = async move { order.submodules.add_to(snapshot.clone(), &progress).await };
    let (snapshot, ()) = tokio::join!(add, relay(lines, order.console));
    Ok(snapshot?)
}

/// A file below the build directory, if it is there.
pub async fn read(
    snapshot: &Snapshot,
    options: &BuildOptions,
    name: &str,
) -> Result<Option<Vec<u8>>, TreeError> {
    let directory = options.directory.as_deref().unwrap_or_default().trim_end_matches('/');
    let path = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    snapshot.read_file(&path, LIMIT).await
}

/// What the source says of its own processes.
pub async fn process_files(snapshot: &Snapshot, options: &BuildOptions) -> Result<Contents, TreeError> {
    Ok(Contents {
        procfile: read(snapshot, options, process_files::procfile_path(options)).await?,
        app_json: read(snapshot, options, process_files::app_json_path(options)).await?,
        checks: read(snapshot, options, process_files::CHECKS).await?,
    })
}
