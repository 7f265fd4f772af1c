//! Walls around a process that is not ours: namespaces, a user of its own, limits.
//!
//! `unshare` of util-linux, which every Debian has, makes namespaces in which this same program is the first process
//! ([`super::confined`]). It arranges what can be seen, gives up being root for what it starts, and when that ends the
//! kernel ends everything else in the namespace: nothing can fork and stay. Where the host allows no namespaces, only
//! the user and the limits are left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::process::{PATH, Program, RunLimits};

/// The word that makes this program the first process inside.
pub const ENTER: &str = "confined";
/// Where a confined process finds what it may see.
pub const PLACE: &str = "/run/slipway-plugin";

/// What stands before the names of variables on their way in.
pub(super) const INSIDE: &str = "INSIDE_";

/// How long the host has to show what it allows.
const PROBE: Duration = Duration::from_secs(10);

/// What a process is confined to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walls {
    /// The number of its user and group. Only root can be somebody else.
    pub user: u32,
    /// Whether it may use the network.
    pub network: bool,
    /// What it sees below [`PLACE`].
    pub views: Vec<View>,
    /// Directories that it does not see.
    pub hidden: Vec<PathBuf>,
    /// Its directory, as it sees it.
    pub directory: PathBuf,
    /// What it may use.
    pub limits: Limits,
}

/// A file or directory that is seen elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Where it is.
    pub from: PathBuf,
    /// Where it is seen.
    pub to: PathBuf,
    /// Whether it can be written.
    pub writable: bool,
}

/// What a process may use (`setrlimit(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes and threads of its user.
    pub processes: u64,
    /// Open files of each process.
    pub files: u64,
    /// Bytes of a file.
    pub file_bytes: u64,
}

/// What this host allows, and what it takes.
#[derive(Clone, Debug)]
pub struct Builder {
    binary: PathBuf,
    refused: Option<String>,
}

impl Builder {
    /// Finds out what the host allows. `binary` is this program.
    pub async fn probe(binary: PathBuf) -> Self {
        let mut builder = Self { binary, refused: None };
        if let Err(error) = std::fs::create_dir_all(PLACE) {
            builder.refused = Some(format!("{PLACE} cannot be made: {error}"));
            return builder;
        }
        let walls = Walls {
            user: geteuid().as_raw(),
            network: false,
            views: Vec::new(),
            hidden: Vec::new(),
            directory: PathBuf::from("/"),
            limits: Limits { processes: 64, files: 64, file_bytes: 0 },
        };
        let ran = builder
            .confine(&Program::new("/bin/true", "/"), &walls)
            .run(Bytes::new(), RunLimits { time: PROBE, output_bytes: 1000 })
            .await;
        builder.refused = match ran {
            Ok(finished) if finished.status.success() => None,
            Ok(finished) => Some(finished.last_words()),
            Err(error) => Some(error.to_string()),
        };
        builder
    }

    /// Why there are no namespaces on this host, if there are none.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// This program itself.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Where a confined process sees a path.
    pub fn seen(&self, walls: &Walls, path: &Path) -> PathBuf {
        if self.refused.is_some() {
            return path.to_owned();
        }
        walls
            .views
            .iter()
            .find_map(|view| Some(view.to.join(path.strip_prefix(&view.from).ok()?)))
            .map_or_else(|| path.to_owned(), |seen| seen.components().collect())
    }

    /// The program within walls. Its own path is as the inside sees it.
    pub fn confine(&self, program: &Program, walls: &Walls) -> Program {
        // A list of paths and numbers cannot fail to be written.
        let order = Order { walls: walls.clone(), namespaces: self.refused.is_none() };
        let order = serde_json::to_string(&order).unwrap_or_default();
        let mut words: Vec<OsString> = Vec::new();
        if self.refused.is_none() {
            for flag in ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--ipc"] {
                words.push(flag.into());
            }
            if !walls.network {
                words.push("--net".into());
            }
            words.push("--".into());
        }
        words.extend([self.binary.clone().into(), ENTER.into(), order.into(), program.name.clone()]);
        words.extend(program.arguments.iter().cloned());
        let mut words = words.into_iter();
        let name = words.next().unwrap_or_default();
        Program {
            name,
            arguments: words.collect(),
            directory: PathBuf::from("/"),
            // Under other names, so that none of them means anything to what runs as root on the way.
            environment: inside(&program.environment),
        }
    }
}

/// The environment of the way in: its own, and what is meant for the inside.
fn inside(environment: &BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
    let renamed = environment.iter().map(|(name, value)| {
        let mut inside = OsString::from(INSIDE);
        inside.push(name);
        (inside, value.clone())
    });
    renamed.chain([(OsString::from("PATH"), OsString::from(PATH))]).collect()
}

/// What the first process inside is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) walls: Walls,
    pub(super) namespaces: bool,
}
