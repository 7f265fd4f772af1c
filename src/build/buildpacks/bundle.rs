//! What comes with Slipway: the bundled buildpacks and what runs them, as an archive in the binary.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use tar::{Builder, Header};

/// Everything below `buildpacks/`, as `slipway/buildpacks/...`.
const ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/buildpacks.tar"));
/// Where they lie in a build container.
const FOLDER: &str = "slipway/buildpacks";
/// Two empty blocks end an archive.
const END: usize = 1024;

/// The images' definitions.
pub const RUN_DOCKERFILE: &str = include_str!("../../../buildpacks/stack/run.Dockerfile");
/// The same for building.
pub const BUILD_DOCKERFILE: &str = include_str!("../../../buildpacks/stack/build.Dockerfile");
/// The entry point of the images that are made.
pub const START: &str = include_str!("../../../buildpacks/stack/start");

/// A user's number in the containers: the one that stack images have for apps, Heroku's as well.
pub const USER: u32 = 1000;

/// A tar of files of root's, on top of others.
pub struct Files(Builder<Vec<u8>>);

impl Files {
    /// None yet.
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// All that is bundled.
    pub fn with_bundle() -> io::Result<Self> {
        let mut builder = Builder::new(Vec::new());
        builder.get_mut().write_all(ARCHIVE.get(..ARCHIVE.len() - END).unwrap_or_default())?;
        Ok(Self(builder))
    }

    /// Adds a file of root's.
    pub fn add(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.add_owned(path, mode, 0, content)
    }

    /// Adds a file that only one user may read.
    pub fn add_owned(&mut self, path: &str, mode: u32, owner: u32, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_mode(mode);
        header.set_uid(owner.into());
        header.set_gid(owner.into());
        header.set_size(content.len().try_into().unwrap_or(u64::MAX));
        self.0.append_data(&mut header, path, content)
    }

    /// Adds an empty directory of root's.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        self.directory_owned(path, 0)
    }

    /// Adds an empty directory, or gives one that is there to a user.
    pub fn directory_owned(&mut self, path: &str, owner: u32) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_uid(owner.into());
        header.set_gid(owner.into());
        header.set_size(0);
        self.0.append_data(&mut header, path, io::empty())
    }

    /// Puts a buildpack's directory in the place of a bundled one of that name. Where it has a `lib` beside it, as the
    /// bundled ones have, all that is there is taken: it may need its neighbours.
    pub fn add_buildpack(&mut self, folder: &Path) -> io::Result<()> {
        let parent = folder.parent().filter(|parent| parent.join("lib").is_dir());
        match (parent, folder.file_name()) {
            (Some(parent), _) => self.add_tree(parent, Path::new(FOLDER)),
            (None, Some(name)) => self.add_tree(folder, &Path::new(FOLDER).join(name)),
            (None, None) => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        }
    }

    fn add_tree(&mut self, directory: &Path, name: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = name.join(path.file_name().unwrap_or_default());
            if path.is_dir() && !path.ends_with("test") && !path.ends_with(".git") {
                self.add_tree(&path, &name)?;
            } else if path.is_file() {
                let content = fs::read(&path)?;
                let mode = if content.starts_with(b"#!") { 0o755 } else { 0o644 };
                let Some(name) = name.to_str() else { continue };
                self.add(name, mode, &content)?;
            }
        }
        Ok(())
    }

    /// The tar.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.0.into_inner()
    }
}
