//! The names in an archive: which are taken, and which could do harm.

use crate::git::archive::{ArchiveError, Files};

/// A clean relative path, or nothing for the archive's root and for what lies in a `.git`.
pub(super) fn clean(name: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
    if name.starts_with(b"/") {
        return Err(ArchiveError::Absolute(shown(name)));
    }
    let components: Vec<&[u8]> =
        name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if components.iter().any(|part| *part == b"..") {
        return Err(ArchiveError::Parent(shown(name)));
    }
    if name.contains(&0) {
        return Err(ArchiveError::Damaged(format!("{} is not a name", shown(name))));
    }
    let is_kept = !components.is_empty() && !components.iter().any(|part| part.eq_ignore_ascii_case(b".git"));
    Ok(is_kept.then(|| components.join(&b'/')))
}

/// Takes off the one directory that holds everything, if there is one.
pub(super) fn without_top_directory(files: Files) -> Files {
    let top =
        files.keys().next().and_then(|path| path.iter().position(|byte| *byte == b'/').map(|end| end + 1));
    let Some(top) =
        top.and_then(|end| files.keys().next().and_then(|path| path.get(..end))).map(<[u8]>::to_vec)
    else {
        return files;
    };
    if !files.keys().all(|path| path.starts_with(&top)) {
        return files;
    }
    let stripped = |path: Vec<u8>| path.get(top.len()..).unwrap_or_default().to_vec();
    files.into_iter().map(|(path, file)| (stripped(path), file)).collect()
}

/// Refuses symbolic links that lead out of the archive.
pub(super) fn check_links(files: &Files) -> Result<(), ArchiveError> {
    for (path, file) in files {
        let Some(target) = &file.target else { continue };
        if target.starts_with(b"/") {
            return Err(ArchiveError::AbsoluteLink(shown(path)));
        }
        let mut depth = path.iter().filter(|byte| **byte == b'/').count();
        for part in target.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." if depth == 0 => return Err(ArchiveError::EscapingLink(shown(path))),
                b".." => depth -= 1,
                _ => depth += 1,
            }
        }
    }
    Ok(())
}

/// Refuses a file where another entry needs a directory.
pub(super) fn check_conflicts(files: &Files) -> Result<(), ArchiveError> {
    for path in files.keys() {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut parents = slashes.filter_map(|(index, _)| path.get(..index));
        if let Some(parent) = parents.find(|parent| files.contains_key(*parent)) {
            return Err(ArchiveError::Conflict(shown(parent)));
        }
    }
    Ok(())
}

/// A name for a message.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
