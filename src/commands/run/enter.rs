//! `enter`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::run::no_instances;
use crate::commands::run::stream::exec_in;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::config_var::ConfigVars;
use crate::model::process_type::ProcessType;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;

/// Runs a command, or a shell, inside a running instance
#[derive(Debug, Args)]
pub struct Enter {
    /// The app
    app: String,
    /// A process type or an instance, for example web or web.2
    process: Option<String>,
    /// The command; a shell if not given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Command for Enter {
    const NAME: &'static str = "enter";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;
    const TAKES_SIGNALS: bool = true;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let instance = choose(&context, &record, self.process.as_deref()).await?;
        let command = command(&context, &instance, self.command).await?;
        exec_in(context, &instance.container, command, ConfigVars::new()).await
    }
}

/// A shell if nothing was said; in an image made by buildpacks with the environment that its processes have.
async fn command(
    context: &Context,
    instance: &InstanceRecord,
    words: Vec<String>,
) -> Result<Vec<String>, CommandError> {
    let release = context.app.store.release(instance.release).await?;
    let entrypoint = release.and_then(|release| release.content.shell_entrypoint());
    let shell = if entrypoint.is_some() { "bash" } else { "/bin/sh" };
    let words = if words.is_empty() { vec![shell.to_owned()] } else { words };
    Ok(entrypoint.map(str::to_owned).into_iter().chain(words).collect())
}

/// The instance that is meant; without a name the only process type's first one.
async fn choose(
    context: &Context,
    record: &AppRecord,
    process: Option<&str>,
) -> Result<InstanceRecord, CommandError> {
    let instances = context.app.store.instances(Some(record.id)).await?;
    let mut types: Vec<&ProcessType> = instances.iter().map(|instance| &instance.name.process_type).collect();
    types.dedup();
    let available = || {
        let types: Vec<&str> = types.iter().map(|process_type| process_type.as_str()).collect();
        format!("Available types for app ({}): {}", record.name, types.join(" "))
    };
    let wanted = match (process, types.as_slice()) {
        (None, [only]) => only.to_string(),
        (_, []) if record.current_release.is_none() => return Err(CommandError::not_deployed(&record.name)),
        (_, []) => return Err(no_instances(&record.name)),
        (Some(process), _) => process.to_owned(),
        (None, _) => return Err(CommandError::user("No container type specified.").hint(available())),
    };
    let found = instances.iter().find(|instance| {
        instance.name.process_type.as_str() == wanted || instance.name.to_string() == wanted
    });
    found.cloned().ok_or_else(|| {
        CommandError::user(format!("No containers found for type '{wanted}'")).hint(available())
    })
}
