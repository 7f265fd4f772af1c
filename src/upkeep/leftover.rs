//! One thing that nobody needs, and its removal.

use std::fmt;
use std::path::PathBuf;

use crate::app::App;
use crate::command_error::CommandError;
use crate::deploy::retention;
use crate::docker::image::ImageRemoval;
use crate::model::app_name::AppName;
use crate::model::byte_size::ByteSize;
use crate::model::container_id::ContainerId;
use crate::store::apps::AppId;

/// Something that nobody needs.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// What it is.
    pub what: What,
    /// Whose it is, if it is an app's.
    pub app: Option<AppName>,
    /// What its removal frees, as far as is known.
    pub bytes: u64,
}

/// What can be left over.
#[derive(Clone, Debug)]
pub enum What {
    /// Releases beyond those that are kept: their records, which keep their images.
    Releases {
        /// The app.
        app: AppId,
        /// Their numbers, as they are shown.
        versions: String,
    },
    /// A name of an image that no release needs; with its last name the image goes.
    Image {
        /// A name, or an id where there is none.
        reference: String,
    },
    /// A container that has ended and is nobody's instance.
    Container {
        /// Its id.
        id: ContainerId,
        /// Its name.
        name: String,
    },
    /// Records of builds beyond those that are kept.
    Builds {
        /// The app.
        app: AppId,
        /// How many.
        count: usize,
        /// How many are kept.
        keep: u32,
    },
    /// A file or a directory.
    File {
        /// Where it is.
        path: PathBuf,
        /// What it was.
        was: &'static str,
    },
    /// What builds kept for an app that is destroyed.
    Cache {
        /// The volume.
        name: String,
    },
    /// The builder's cache beyond its quota.
    BuildCache {
        /// What stays.
        keep: u64,
    },
}

impl Leftover {
    /// The kind in one word, for programs.
    pub fn kind(&self) -> &'static str {
        match self.what {
            What::Releases { .. } => "releases",
            What::Image { .. } => "image",
            What::Container { .. } => "container",
            What::Builds { .. } => "builds",
            What::File { .. } => "file",
            What::Cache { .. } => "cache",
            What::BuildCache { .. } => "build-cache",
        }
    }

    /// Whether the engine may need minutes to remove it.
    pub fn takes_long(&self) -> bool {
        matches!(self.what, What::BuildCache { .. })
    }

    /// Removes it. What is gone already, or is needed after all, is no error; then nothing came free.
    pub async fn remove(&self, app: &App) -> Result<bool, CommandError> {
        match &self.what {
            What::Releases { app: id, .. } => {
                // A deploy may be on its way back to one of them; its end prunes by itself.
                let Some(_lease) = app.leases.try_acquire(*id) else { return Ok(false) };
                retention::prune(app, *id).await?;
                Ok(true)
            }
            What::Image { reference } => {
                // A build may be making the very same image again, which the engine would take from under it. The
                // end of that deploy brings us here again.
                let owner = match &self.app {
                    Some(name) => app.store.app(name).await?,
                    None => None,
                };
                let lease = owner.map(|record| app.leases.try_acquire(record.id));
                if matches!(lease, Some(None)) {
                    return Ok(false);
                }
                Ok(app.engine.remove_image(reference).await? == ImageRemoval::Removed)
            }
            What::Container { id, .. } => Ok(app.engine.remove(id).await.map(|()| true)?),
            What::Builds { app: id, keep, .. } => {
                Ok(app.store.prune_builds(*id, *keep).await.map(|()| true)?)
            }
            What::File { path, .. } => Ok(remove_file(path).await),
            What::Cache { name } => Ok(app.engine.remove_volume(name).await.map(|()| true)?),
            What::BuildCache { keep } => Ok(app.engine.trim_build_cache(*keep).await? > 0),
        }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Releases { versions, .. } => write!(f, "releases {versions}"),
            What::Image { reference } => write!(f, "image {reference}"),
            What::Container { name, .. } => write!(f, "container {name}"),
            What::Builds { count: 1, .. } => f.write_str("1 build record"),
            What::Builds { count, .. } => write!(f, "{count} build records"),
            What::File { path, was } => write!(f, "{was} {}", path.display()),
            What::Cache { name } => write!(f, "cache {name}"),
            What::BuildCache { keep } => write!(f, "build cache beyond {}", ByteSize(*keep)),
        }
    }
}

async fn remove_file(path: &std::path::Path) -> bool {
    let is_directory = tokio::fs::symlink_metadata(path).await.is_ok_and(|facts| facts.is_dir());
    let removed =
        if is_directory { tokio::fs::remove_dir_all(path).await } else { tokio::fs::remove_file(path).await };
    if let Err(error) = &removed {
        tracing::warn!(%error, path = %path.display(), "a leftover was not removed");
    }
    removed.is_ok()
}
