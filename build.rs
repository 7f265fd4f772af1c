//! Packs the bundled buildpacks and plugins into archives, which become part of the binary.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use tar::{Builder, EntryType, Header};

/// What is packed, and the path that stands before its files in the archive: buildpacks lie so in build containers.
const FOLDERS: [(&str, &str); 2] = [("buildpacks", "slipway/buildpacks"), ("plugins", "")];

fn main() -> Result<(), Box<dyn Error>> {
    for (folder, prefix) in FOLDERS {
        let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(folder);
        let target = PathBuf::from(env::var("OUT_DIR")?).join(folder).with_extension("tar");
        println!("cargo::rerun-if-changed={folder}");
        let mut archive = Builder::new(File::create(target)?);
        add(&mut archive, &root, Path::new(prefix))?;
        archive.finish()?;
    }
    Ok(())
}

/// Adds a directory in an order that is always the same, with no times: the same files make the same archive.
fn add(archive: &mut Builder<File>, directory: &Path, name: &Path) -> io::Result<()> {
    let mut paths =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let name = name.join(path.file_name().unwrap_or_default());
        // Fixtures are for the tests of this repository.
        if path.is_dir() && !path.ends_with("test") {
            add(archive, &path, &name)?;
        } else if path.is_file() {
            let content = fs::read(&path)?;
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_size(content.len() as u64);
            // Programs are known by their first characters: not every checkout keeps modes.
            header.set_mode(if content.starts_with(b"#!") { 0o755 } else { 0o644 });
            archive.append_data(&mut header, name, content.as_slice())?;
        }
    }
    Ok(())
}
