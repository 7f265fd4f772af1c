//! `docker-options:clear`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::docker_options::arguments::scopes;
use crate::commands::resource;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::phase::Phase;
use crate::model::role::Role;

/// Removes all Docker options of an app, or those of some phases; what is mounted stays
#[derive(Debug, Args)]
pub struct Clear {
    /// One process type, in the phase deploy only; may be repeated
    #[arg(long, value_name = "PROCESS")]
    process: Vec<String>,
    /// The app
    app: String,
    /// build, deploy, run, or several with commas between; all of them if not given
    #[arg(value_name = "PHASES")]
    phases: Option<String>,
}

impl Command for Clear {
    const NAME: &'static str = "docker-options:clear";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let phases = match &self.phases {
            Some(text) => Phase::parse_list(text).map_err(CommandError::user)?,
            None if self.process.is_empty() => Phase::ALL.to_vec(),
            None => vec![Phase::Deploy],
        };
        let named = scopes(&self.process, &phases)?;
        let mut options = context.app.store.docker_options(record.id).await?;
        options.retain(|stored| {
            phases.contains(&stored.phase) && (self.process.is_empty() || named.contains(&stored.scope))
        });
        let shown: Vec<&str> = phases.iter().map(|phase| phase.as_str()).collect();
        let title = format!("Clearing docker options for {} ({})", record.name, shown.join(", "));
        context.console().step(title).await;
        context.app.store.remove_docker_options(record.id, options).await?;
        resource::tell_when(&context, record).await;
        Ok(0)
    }
}
