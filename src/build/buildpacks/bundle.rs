//! What comes with Slipway: the bundled buildpacks and what runs them, as an archive in the binary.

use std::io::{self, Write};

use tar::{Builder, Header};

/// Everything below `buildpacks/`, as `slipway/buildpacks/...`.
const ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/buildpacks.tar"));
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

    /// Adds an empty directory.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        self.0.append_data(&mut header, path, io::empty())
    }

    /// The tar.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.0.into_inner()
    }
}
