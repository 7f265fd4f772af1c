//! The plugins that come with Slipway: an archive in the binary, unpacked so that they are folders like any others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use tar::Archive;

/// Everything below `plugins/`.
const ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugins.tar"));

/// Says in the folder which archive is unpacked there.
const MARK: &str = ".archive";

/// Puts them in the place of those of another version of Slipway. If that cannot be done, as on a full disk, the others
/// stay; nothing is written where they are these already.
pub fn unpack(folder: &Path) -> io::Result<()> {
    let mark = digest(&SHA256, ARCHIVE);
    if fs::read(folder.join(MARK)).is_ok_and(|found| found == mark.as_ref()) {
        return Ok(());
    }
    match replace(folder, mark.as_ref()) {
        Err(error) if folder.exists() => {
            tracing::warn!(%error, "the plugins of another version of Slipway stay in use");
            Ok(())
        }
        result => result,
    }
}

fn replace(folder: &Path, mark: &[u8]) -> io::Result<()> {
    let new = folder.with_extension("new");
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    fs::create_dir_all(&new)?;
    Archive::new(ARCHIVE).unpack(&new)?;
    fs::write(new.join(MARK), mark)?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::rename(new, folder)
}

/// The folders of the single plugins.
pub fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join("plugin.toml").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
