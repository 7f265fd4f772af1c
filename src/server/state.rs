//! The files of the server's root, and what a server that was killed left half done in them.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::docker::labels::OwnerId;
use crate::git::repositories::Repositories;
use crate::store::Store;

use super::standing::Listening;

/// Makes the directories that the other modules take for granted.
pub(super) fn make_directories(root: &Path) -> io::Result<()> {
    for directory in ["", "repos", "logs/builds", "logs/apps", "cache", "host_keys"] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root.join(directory))?;
    }
    Ok(())
}

/// Ends what a killed server had begun: no build outlives its server, no release is pending, each app has its
/// repository. What it left in the engine the reconcilers find.
pub(super) async fn complete_interrupted(
    store: &Store,
    repositories: &Repositories,
    binary: &Path,
) -> Result<(), Box<dyn Error>> {
    store.fail_interrupted_builds().await?;
    store.discard_interrupted_releases().await?;
    repositories.prepare(binary).await?;
    let names = store.apps().await?.into_iter().map(|record| record.name).collect();
    Ok(repositories.reunite(names).await?)
}

/// The text that marks what is ours in the engine. Made once for each root.
pub(super) fn owner(root: &Path) -> Result<OwnerId, Box<dyn Error>> {
    let path = root.join("owner");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!("{:08x}", rand::random::<u32>());
            write_whole(&path, text.as_bytes())?;
            Ok(text.parse()?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a file so that nobody ever sees a part of it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Says where the server listens, for install.sh and for tests.
pub(super) fn write_listening(root: &Path, listening: &Listening) -> Result<(), Box<dyn Error>> {
    Ok(write_whole(&root.join("listen.json"), &serde_json::to_vec(listening)?)?)
}
