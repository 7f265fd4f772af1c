//! Files that a server or a git was killed over: half written, or half received.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Younger ones may still be somebody's.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// Such files below the root that nobody has written to for a day, with their sizes. They are looked for where they
/// come from, so that no other file is ever taken for one.
pub fn abandoned(root: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let now = SystemTime::now();
    let mut take = |entry: DirEntry| {
        // What is gone meanwhile is nobody's concern.
        let Ok(facts) = entry.metadata() else { return };
        // A clock that was set back makes a file younger than nothing: it stays.
        let age = facts.modified().ok().and_then(|written| now.duration_since(written).ok());
        if age.is_some_and(|age| age > AGE) {
            found.push((entry.path(), size(&entry.path())));
        }
    };
    for entry in entries(root)? {
        // Settings, records and keys are written beside their place, and moved there when they are whole.
        if name(&entry).ends_with(".new") && entry.path().is_file() {
            take(entry);
        }
    }
    for entry in entries(&root.join("hooks"))? {
        if name(&entry).starts_with(".tmp") {
            take(entry);
        }
    }
    for repository in entries(&root.join("repos"))? {
        for entry in entries(&repository.path().join("objects/pack"))? {
            if name(&entry).starts_with("tmp_") {
                take(entry);
            }
        }
    }
    Ok(found)
}

/// What all files below a path take on the disk; links are not followed, and what vanishes meanwhile counts nothing.
pub fn size(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(facts) = fs::symlink_metadata(path) else { return 0 };
    let own = facts.blocks() * 512;
    if !facts.is_dir() {
        return own;
    }
    own + entries(path).unwrap_or_default().iter().map(|entry| size(&entry.path())).sum::<u64>()
}

/// The entries of a directory; none if it is not there.
pub fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(path: &Path, by: Duration) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }

    #[test]
    fn only_old_files_of_known_kinds_in_their_places_are_abandoned() {
        let root = tempfile::tempdir().unwrap();
        let pack = root.path().join("repos/blog.git/objects/pack");
        fs::create_dir_all(&pack).unwrap();
        let two_days = Duration::from_secs(48 * 3600);
        for (path, is_old) in [
            ("owner.new", true),
            ("listen.new", false),
            ("owner", true),
            ("repos/blog.git/objects/pack/tmp_pack_1", true),
            ("repos/blog.git/objects/pack/pack-1.pack", true),
            ("repos/blog.git/objects/pack/tmp_idx_1", false),
        ] {
            let path = root.path().join(path);
            fs::write(&path, [0; 5000]).unwrap();
            age(&path, if is_old { two_days } else { Duration::ZERO });
        }
        let mut found: Vec<_> = abandoned(root.path()).unwrap();
        found.sort();
        let paths: Vec<_> = found.iter().map(|(path, _)| path.strip_prefix(root.path()).unwrap()).collect();
        assert_eq!(paths, [Path::new("owner.new"), Path::new("repos/blog.git/objects/pack/tmp_pack_1")]);
        assert!(found.iter().all(|(_, bytes)| *bytes >= 5000));
    }
}
