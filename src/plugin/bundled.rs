//! The plugins that come with Slipway: an archive in the binary, unpacked so that they are folders like any others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tar::Archive;

/// Everything below `plugins/`.
const ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugins.tar"));

/// Puts them in the place of those of another version of Slipway.
pub fn unpack(folder: &Path) -> io::Result<()> {
    let new = folder.with_extension("new");
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    fs::create_dir_all(&new)?;
    Archive::new(ARCHIVE).unpack(&new)?;
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
