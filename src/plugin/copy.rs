//! Folders in, folders out: what is brought is put into a folder of ours, with modes that its own user can read.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use tar::Archive;

/// Copies a folder. Links are copied as links; what is neither file, directory nor link is an error.
pub fn folder(from: &Path, to: &Path) -> io::Result<()> {
    empty(to)?;
    copy_into(from, to)
}

fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if entry.file_name() == ".git" {
            continue;
        }
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_dir() {
            DirBuilder::new().mode(0o755).create(&target)?;
            copy_into(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
            let mode = entry.metadata()?.permissions().mode();
            let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
            fs::set_permissions(&target, Permissions::from_mode(mode))?;
        } else {
            let message = format!("{} is neither a file nor a directory", source.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// Unpacks a tar stream that was made here; it has modes that anybody can read.
pub fn unpack(tar: impl Read, to: &Path) -> io::Result<()> {
    empty(to)?;
    let mut archive = Archive::new(tar);
    archive.set_preserve_ownerships(false);
    archive.unpack(to)
}

/// Puts a new folder in the place of an old one, if there is one, which is then where the new one was. At no moment is
/// there none.
pub fn exchange(new: &Path, place: &Path) -> io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    if place.exists() {
        return Ok(renameat2(AT_FDCWD, new, AT_FDCWD, place, RenameFlags::RENAME_EXCHANGE)?);
    }
    fs::rename(new, place)
}

/// Removes a folder, if it is there.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    remove(folder)?;
    DirBuilder::new().recursive(true).mode(0o755).create(folder)
}
