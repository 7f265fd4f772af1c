//! `storage:mount`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::docker_options::arguments::WantedMount;
use crate::commands::storage::attach;
use crate::commands::{Command, Context, Scope, Target, resource};
use crate::model::mount::{self, MountText};
use crate::model::phase::Phase;
use crate::model::process_scope::ProcessScope;
use crate::model::role::Role;

/// Lets an app's containers see storage: storage:mount APP uploads:/app/uploads
#[derive(Debug, Args)]
pub struct Mount {
    /// Only for this process type
    #[arg(long, value_name = "PROCESS")]
    process_type: Option<String>,
    /// deploy for instances, run for one-off processes and tasks
    #[arg(long, default_value = "deploy,run", value_name = "PHASES")]
    phase: String,
    /// At most one instance may hold it: the old one is stopped before a new one is started
    #[arg(long, alias = "single-instance")]
    exclusive: bool,
    /// The directory in the container, if it does not stand behind the colon
    #[arg(long, value_name = "DIRECTORY")]
    container_dir: Option<String>,
    /// ro for read-only
    #[arg(long, value_name = "OPTIONS")]
    volume_options: Option<String>,
    /// The app
    app: String,
    /// A name from storage:create, or a directory of the host, with the directory in the container
    #[arg(value_name = "SOURCE:DIRECTORY[:ro]")]
    mount: String,
}

impl Command for Mount {
    const NAME: &'static str = "storage:mount";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let scope: ProcessScope = match &self.process_type {
            Some(name) => name.parse().map_err(CommandError::user)?,
            None => ProcessScope::Default,
        };
        let wanted = WantedMount {
            text: text(&self.mount, self.container_dir.as_deref(), self.volume_options.as_deref())?,
            phases: Phase::parse_list(&self.phase).map_err(CommandError::user)?,
            scopes: vec![scope.clone()],
            exclusive: self.exclusive,
        };
        for mount in attach::prepare(&context, &[wanted]).await? {
            let shown = format!("Mounting {} on {} of {}", mount.source, mount.target, record.name);
            context.app.store.add_mount(record.id, mount).await?;
            context.console().step(shown).await;
        }
        resource::warn_of_unknown(&context, record, &scope).await?;
        resource::tell_when(&context, record).await;
        Ok(0)
    }
}

/// The mount in one word, or with the directory and the options by themselves.
pub fn text(
    word: &str,
    container_dir: Option<&str>,
    options: Option<&str>,
) -> Result<MountText, CommandError> {
    let word = match container_dir {
        Some(directory) => format!("{word}:{directory}"),
        None => word.to_owned(),
    };
    let mut text: MountText = word.parse().map_err(CommandError::user)?;
    if let Some(options) = options {
        text.read_only = mount::is_read_only(options).map_err(CommandError::user)?;
    }
    Ok(text)
}
