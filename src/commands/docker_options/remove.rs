//! `docker-options:remove`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::docker_options::arguments::{Arguments, WantedMount};
use crate::commands::resource;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::store::docker_options::StoredOption;
use crate::store::storage::MountRecord;

/// Removes Docker options from an app
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    arguments: Arguments,
}

impl Command for Remove {
    const NAME: &'static str = "docker-options:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.arguments.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let store = &context.app.store;
        let wanted = self.arguments.read()?;
        let present = store.docker_options(record.id).await?;
        let mut found = Vec::new();
        for option in &wanted.options {
            let same = present.iter().filter(|stored| is_same(stored, option));
            let before = found.len();
            found.extend(same.cloned());
            if found.len() == before {
                let message = format!("There is no option {} for the phase {}", option.option, option.phase);
                return Err(CommandError::user(message)
                    .hint(format!("See them: docker-options:list {}", record.name)));
            }
        }
        let mounts = mounts(&store.mounts(record.id).await?, &wanted.mounts)?;
        store.remove_docker_options(record.id, found).await?;
        for mount in mounts {
            store.remove_mount(record.id, mount).await?;
        }
        resource::tell_when(&context, record).await;
        Ok(0)
    }
}

/// A build argument is meant by its name, with or without its value.
fn is_same(stored: &StoredOption, wanted: &StoredOption) -> bool {
    let place = (stored.phase, &stored.scope) == (wanted.phase, &wanted.scope);
    let option = match (stored.option.as_build_argument(), wanted.option.as_build_argument()) {
        (Some((name, _)), Some((wanted, None))) => name == wanted,
        _ => stored.option == wanted.option,
    };
    place && option
}

fn mounts(present: &[MountRecord], wanted: &[WantedMount]) -> Result<Vec<MountRecord>, CommandError> {
    let mut found = Vec::new();
    for mount in wanted {
        let is_same = |record: &&MountRecord| {
            record.source == mount.text.source
                && record.target == mount.text.target
                && mount.scopes.contains(&record.scope)
        };
        let record = present.iter().find(is_same);
        found.push(record.cloned().ok_or_else(|| CommandError::user("Mount path does not exist."))?);
    }
    Ok(found)
}
