//! `enter`.

use clap::Args;
use nix::sys::signal::Signal;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::run::stream::{Controls, Until, relay};
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::exec::ExecSpec;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
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
        let command = if self.command.is_empty() { vec!["/bin/sh".to_owned()] } else { self.command };
        let terminal = context.io.terminal.as_ref();
        let mut environment = ConfigVars::new();
        if let Some(terminal) = terminal
            && let (Ok(key), Ok(value)) =
                ("TERM".parse::<ConfigKey>(), ConfigValue::from_bytes(terminal.kind.clone().into_bytes()))
        {
            environment.insert(key, value);
        }
        let spec = ExecSpec { command, environment, terminal: terminal.is_some(), stdin: true };
        let engine = context.app.engine.clone();
        let (id, attached) = engine.exec(&instance.container, &spec).await?;
        let gone = context.io.client_gone.clone();
        let controls = Controls::Exec { engine: engine.clone(), id: id.clone() };
        let until = tokio::select! {
            until = relay(context.io, attached, &controls) => until?,
            () = gone.cancelled() => Until::ClientGone,
        };
        if until == Until::ClientGone {
            engine.kill_exec(&id, Signal::SIGKILL).await?;
            return Ok(1);
        }
        Ok(u8::try_from(engine.exec_exit_code(&id).await?).unwrap_or(1))
    }
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
        (Some(process), _) => process.to_owned(),
        (None, [only]) => only.to_string(),
        (None, []) => return Err(CommandError::not_deployed(&record.name)),
        (None, _) => return Err(CommandError::user("No container type specified.").hint(available())),
    };
    let found = instances.iter().find(|instance| {
        instance.name.process_type.as_str() == wanted || instance.name.to_string() == wanted
    });
    found.cloned().ok_or_else(|| {
        CommandError::user(format!("No containers found for type '{wanted}'")).hint(available())
    })
}
