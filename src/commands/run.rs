//! `run`, `run:detached`, `run:list`, `run:stop`, `run:logs`, `enter`: one-off processes beside an app's instances.

pub mod detached;
pub mod enter;
pub mod interactive;
pub mod manage;
mod stream;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::console::Terminal;
use crate::docker::container::{ContainerSpec, OutputLog};
use crate::docker::labels::{ContainerKind, ContainerLabels};
use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::process_type::ProcessType;
use crate::model::release::{ProcessCommand, Release};
use crate::run::options::{self, Phase};
use crate::run::start;
use crate::store::apps::AppRecord;
use crate::urls;

/// The app was deployed, and nothing of it runs.
fn no_instances(name: &AppName) -> CommandError {
    CommandError::user(format!("{name} has no instances"))
        .hint(format!("Start some: ps:start {name}, or ps:scale {name} web=1"))
}

/// `TERM`, for a process that has the client's terminal.
fn terminal_environment(terminal: Option<&Terminal>) -> ConfigVars {
    let value = terminal.map(|terminal| ConfigValue::from_bytes(terminal.kind.clone().into_bytes()));
    match ("TERM".parse(), value) {
        (Ok(key), Some(Ok(value))) => ConfigVars::from([(key, value)]),
        _ => ConfigVars::new(),
    }
}

/// The release that one-off processes are made from.
async fn current_release(context: &Context, record: &AppRecord) -> Result<Release, CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    release.ok_or_else(|| CommandError::not_deployed(&record.name))
}

/// A container for a one-off process of the release: its image, its environment, a name `APP.run.NUMBER`.
async fn specification(
    context: &Context,
    record: &AppRecord,
    words: &[String],
    variables: &[String],
) -> Result<ContainerSpec, CommandError> {
    let release = current_release(context, record).await?;
    let number: u16 = rand::random_range(1000..=9999);
    let dyno = format!("run.{number}");
    let port = urls::web_port(&context.app.store.ports(record.id).await?, &release.content);
    let mut environment = start::environment(&release, &record.name, port, &dyno);
    for pair in variables {
        let wrong = || CommandError::user(format!("Invalid env pair: {pair}")).hint("Write -e KEY=VALUE");
        let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
        let key: ConfigKey = key.parse().map_err(CommandError::user)?;
        let value = ConfigValue::from_bytes(value.as_bytes().to_vec()).map_err(CommandError::user)?;
        environment.insert(key, value);
    }
    let named: Option<ProcessType> = words.first().and_then(|word| word.parse().ok());
    let named = named.filter(|name| release.content.processes.contains_key(name));
    let options = options::of(&context.app.store, record.id, named.as_ref(), Phase::Run).await?;
    let (command, entrypoint) = match named {
        Some(name) => {
            let console = context.console();
            let found = format!("-----> Found '{name}' in Procfile, running that command\n");
            console.stderr(found).await;
            let mut command = start::command(&release, &name, &environment);
            if let ProcessCommand::Arguments(arguments) = &mut command {
                arguments.extend(words.iter().skip(1).cloned());
            }
            (command, None)
        }
        // A person's words are a command of their own, not arguments of the image's entry point.
        None => (ProcessCommand::Arguments(words.to_vec()), Some(Vec::new())),
    };
    let labels = ContainerLabels {
        kind: ContainerKind::Run,
        app: record.name.clone(),
        process_type: None,
        instance: None,
        release: Some(release.version),
    };
    Ok(ContainerSpec {
        command,
        entrypoint,
        environment,
        options,
        log: OutputLog::Off,
        ..ContainerSpec::new(format!("{}.{dyno}", record.name), release.content.image.clone(), labels)
    })
}
