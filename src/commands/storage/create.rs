//! `storage:create`.

use std::path::Path;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::storage::ownership;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::mount::{HostPath, StorageName};
use crate::model::role::Role;
use crate::run::directories;
use crate::store::storage::Place;

/// Makes storage that apps can mount: a volume, or with a path a directory of the host
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: String,
    /// A directory of the host below the storage root; without it the engine keeps a volume
    #[arg(value_name = "DIRECTORY")]
    path: Option<String>,
    /// The owner: herokuish, heroku, paketo, root, false, UID or UID:GID; a volume's is the image's own
    #[arg(long, value_name = "OWNER")]
    chown: Option<String>,
}

impl Command for Create {
    const NAME: &'static str = "storage:create";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let name: StorageName = self.name.parse().map_err(CommandError::user)?;
        let store = &context.app.store;
        if store.storage().await?.iter().any(|record| record.name == name) {
            return Err(CommandError::user(format!("Storage {name} already exists"))
                .hint(format!("Choose another name, or see what it is: storage:info {name}")));
        }
        let place = match &self.path {
            Some(path) => self.directory(&context, path)?,
            None => self.volume(&context, &name).await?,
        };
        store.create_storage(&name, place).await?;
        context.console().step(format!("Creating storage {name}")).await;
        context.console().detail(format!("Mount it: storage:mount APP {name}:/DIRECTORY")).await;
        Ok(0)
    }
}

impl Create {
    fn directory(&self, context: &Context, path: &str) -> Result<Place, CommandError> {
        let path: HostPath = path.parse().map_err(CommandError::user)?;
        let owner = ownership::parse(self.chown.as_deref().unwrap_or("false"))?;
        let root = context.app.settings.storage_root();
        let directory = Path::new(path.as_str());
        // One that is missing is made if it lies right below the root.
        match directory.strip_prefix(&root).ok().and_then(Path::to_str).filter(|name| !name.contains('/')) {
            Some(name) if !name.is_empty() => drop(directories::ensure(&root, name, owner)?),
            _ => directories::give(&root, directory, owner)?,
        }
        Ok(Place::Directory { path: path.to_string(), root: root.display().to_string() })
    }

    async fn volume(&self, context: &Context, name: &StorageName) -> Result<Place, CommandError> {
        let owner = self.chown.as_deref().map_or(Ok(None), ownership::parse)?;
        let engine = &context.app.engine;
        engine.create_volume(name).await?;
        let volume = engine.volume_name(name);
        if owner.is_some() {
            let directory = engine.volume_directory(&volume).await?;
            let root = directory.parent().unwrap_or(&directory).to_owned();
            directories::give(&root, &directory, owner)?;
        }
        Ok(Place::Volume(volume))
    }
}
