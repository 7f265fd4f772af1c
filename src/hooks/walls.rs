//! What an executable of a plugin sees of the host, and what it may use.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::plugin::Plugin;
use crate::plugin::places::Places;
use crate::process::confinement::{Builder, Limits, PLACE, View, Walls};

/// What an executable may use. Not its address space: runtimes with a garbage collector reserve far more than they use.
const LIMITS: Limits = Limits { processes: 256, files: 1024, file_bytes: 1 << 30 };

/// The walls around the executables of a plugin.
pub(super) fn around(plugin: &Plugin, places: &Places, root: &Path, builder: &Builder) -> Walls {
    let view = |from: PathBuf, to: &str, writable| View { from, to: Path::new(PLACE).join(to), writable };
    let data = places.data(&plugin.name);
    let mut walls = Walls {
        user: plugin.user,
        network: plugin.manifest.permissions.network,
        views: vec![
            view(plugin.folder.clone(), "plugin", false),
            view(data.clone(), "data", true),
            view(places.socket(), "slipway.sock", false),
            view(builder.binary().to_owned(), "bin/slipway", false),
        ],
        hidden: vec![root.to_owned()],
        directory: PathBuf::new(),
        limits: LIMITS,
    };
    walls.directory = builder.seen(&walls, &data);
    walls
}

/// Makes the plugin's own directory, and gives it to its user.
pub(super) fn prepare_data(plugin: &Plugin, places: &Places) -> io::Result<()> {
    let data = places.data(&plugin.name);
    if data.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
    if geteuid().is_root() {
        chown(&data, Some(plugin.user), Some(plugin.user))?;
    }
    Ok(())
}
