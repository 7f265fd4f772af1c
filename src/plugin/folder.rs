//! A plugin's folder: what has to be in it, and what must not.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::formats::plugin_toml::{self, Manifest};
use crate::formats::service_toml;
use crate::model::engine::Engine;
use crate::model::plugin::{PluginName, PluginNameError};

/// The executables that a plugin may have beside its hooks and subcommands.
pub const EXECUTABLES: [&str; 5] = ["install", "update", "uninstall", "help", "test"];

/// The longest manifest, in bytes.
const LONGEST: u64 = 1 << 20;
/// More files than a plugin has.
const MOST_FILES: usize = 100_000;

/// Why a folder is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A file could not be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// The manifest is longer than anybody writes one.
    #[error("{} is too long", .0.display())]
    TooLong(PathBuf),
    /// A file says what it cannot.
    #[error(transparent)]
    Manifest(#[from] plugin_toml::PluginTomlError),
    /// The same for the engine.
    #[error(transparent)]
    Engine(#[from] service_toml::ServiceTomlError),
    /// Its name is none.
    #[error("plugin.name: {0}")]
    Name(#[from] PluginNameError),
    /// Its name is a command's.
    #[error("{0} is the name of commands of Slipway itself: a plugin of that name would hide them")]
    Taken(PluginName),
    /// Something of the manifest is not there.
    #[error("{0} is missing, but plugin.toml names it")]
    Missing(String),
    /// Something is there that the manifest does not name.
    #[error("plugin.toml does not name {0}: write [{1}] into it")]
    NotNamed(String, String),
    /// It cannot be run.
    #[error("{0} has no run bit: chmod +x {0}")]
    NoRunBit(String),
    /// A link that leads elsewhere.
    #[error("{0} is a link that leads out of the folder")]
    LinkOut(String),
    /// No file at all.
    #[error("{0} is neither a file nor a directory")]
    Special(String),
    /// There are too many files.
    #[error("it has more than {MOST_FILES} files")]
    TooMany,
}

/// Reads a plugin's folder, and checks it.
pub fn read(folder: &Path) -> Result<(Manifest, Option<Arc<Engine>>), PluginError> {
    let manifest = plugin_toml::parse(&text(&folder.join("plugin.toml"))?)?;
    manifest.plugin.name.parse::<PluginName>()?;
    let mut count = 0;
    check_files(folder, folder, &mut count)?;
    check_named(folder, "hooks", manifest.hooks.keys().map(|hook| hook.as_str()))?;
    check_named(folder, "subcommands", manifest.subcommands.keys().map(String::as_str))?;
    for name in EXECUTABLES {
        if folder.join(name).is_file() {
            check_run_bit(folder, Path::new(name))?;
        }
    }
    let engine = folder.join("service.toml");
    let engine = if engine.exists() { Some(Arc::new(service_toml::parse(&text(&engine)?)?)) } else { None };
    Ok((manifest, engine))
}

fn text(path: &Path) -> Result<String, PluginError> {
    let unreadable = |error| PluginError::Unreadable(path.to_owned(), error);
    if fs::metadata(path).map_err(unreadable)?.len() > LONGEST {
        return Err(PluginError::TooLong(path.to_owned()));
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// Everything that is named is there and can be run; nothing else is there.
fn check_named<'a>(
    folder: &Path,
    kind: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), PluginError> {
    let names: BTreeSet<&str> = names.collect();
    for name in &names {
        check_run_bit(folder, &Path::new(kind).join(name))?;
    }
    let directory = folder.join(kind);
    if !directory.exists() {
        return Ok(());
    }
    let unreadable = |error| PluginError::Unreadable(directory.clone(), error);
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_directory = entry.file_type().map_err(unreadable)?.is_dir();
        // Modules that several of them share, and what editors leave, are no mistakes.
        if !is_directory && !name.contains('.') && !name.ends_with('~') && !names.contains(name.as_str()) {
            return Err(PluginError::NotNamed(format!("{kind}/{name}"), format!("{kind}.{name}")));
        }
    }
    Ok(())
}

fn check_run_bit(folder: &Path, name: &Path) -> Result<(), PluginError> {
    let shown = name.display().to_string();
    match fs::metadata(folder.join(name)) {
        Ok(metadata) if metadata.is_file() && is_executable(&metadata) => Ok(()),
        Ok(metadata) if metadata.is_file() => Err(PluginError::NoRunBit(shown)),
        _ => Err(PluginError::Missing(shown)),
    }
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

/// Refuses links that lead out, and what is neither file nor directory.
fn check_files(folder: &Path, directory: &Path, count: &mut usize) -> Result<(), PluginError> {
    let unreadable = |error| PluginError::Unreadable(directory.to_owned(), error);
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let metadata = fs::symlink_metadata(&path).map_err(unreadable)?;
        let shown = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        *count += 1;
        if *count > MOST_FILES {
            return Err(PluginError::TooMany);
        }
        if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(unreadable)?;
            if !stays_inside(path.strip_prefix(folder).unwrap_or(&path), &target) {
                return Err(PluginError::LinkOut(shown));
            }
        } else if metadata.is_dir() {
            check_files(folder, &path, count)?;
        } else if !metadata.is_file() {
            return Err(PluginError::Special(shown));
        }
    }
    Ok(())
}

/// Whether a link at that place in the folder leads to a place in it, whatever else is a link.
fn stays_inside(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a hook; `change` does something to it.
    fn refused(change: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let manifest = "[plugin]\nname = 'gate'\nversion = '1'\napi = 1\n[hooks.daily]\n";
        fs::write(path.join("plugin.toml"), manifest).unwrap();
        fs::create_dir(path.join("hooks")).unwrap();
        fs::write(path.join("hooks/daily"), "#!/bin/true\n").unwrap();
        fs::set_permissions(path.join("hooks/daily"), fs::Permissions::from_mode(0o755)).unwrap();
        read(path).unwrap();
        change(path);
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said() {
        let chmod = |path: PathBuf| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refused(|path| chmod(path.join("hooks/daily"))).contains("chmod +x hooks/daily"));
        assert!(refused(|path| fs::remove_file(path.join("hooks/daily")).unwrap()).contains("is missing"));
        let more = refused(|path| fs::write(path.join("hooks/post-deploy"), "").unwrap());
        assert!(more.contains("write [hooks.post-deploy]"), "{more}");
        assert!(refused(|path| fs::write(path.join("install"), "").unwrap()).contains("chmod +x install"));
        for target in ["/etc/passwd", "../../x", "a/../../../x"] {
            let why = refused(|path| symlink(target, path.join("hooks/x.link")).unwrap());
            assert!(why.contains("hooks/x.link is a link that leads out"), "{target}: {why}");
        }
        let socket = refused(|path| drop(std::os::unix::net::UnixListener::bind(path.join("s")).unwrap()));
        assert!(socket.contains("neither a file nor a directory"));
    }

    #[test]
    fn links_within_the_folder_are_fine() {
        assert!(stays_inside(Path::new("hooks/a"), Path::new("../lib/a")));
        assert!(stays_inside(Path::new("a"), Path::new("./b")));
        assert!(!stays_inside(Path::new("a"), Path::new("../b")));
    }
}
