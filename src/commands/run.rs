//! `run`, `run:detached`, `run:list`, `run:stop`, `run:logs`, `run:retire`, `enter`: one-off processes beside an app's
//! instances.

pub mod detached;
pub mod enter;
pub mod interactive;
pub mod list;
pub mod logs;
pub mod manage;
mod named;
pub mod stream;

use crate::app::App;
use crate::app::one_offs::Claim;
use crate::clock;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::console::Terminal;
use crate::docker::container::ContainerSpec;
use crate::docker::labels::ContainerKind;
use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_id::ContainerId;
use crate::model::release::Release;
use crate::run::one_off::OneOff;
use crate::store::apps::AppRecord;
use crate::store::one_offs::OneOffRecord;
use crate::urls;

/// How long a one-off process may take if nothing else is said, in seconds: a day, as Dokku has it.
const DEFAULT_TTL_SECONDS: u64 = 86_400;

/// A one-off process as a person asks for it.
#[derive(Debug)]
struct Request<'a> {
    record: &'a AppRecord,
    words: &'a [String],
    variables: &'a [String],
    ttl_seconds: u64,
    detached: bool,
}

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

/// The container for a one-off process, with a name `APP.run.NUMBER`.
async fn specification(context: &Context, request: &Request<'_>) -> Result<ContainerSpec, CommandError> {
    if request.ttl_seconds == 0 {
        return Err(CommandError::user("--ttl-seconds must be a positive integer"));
    }
    let record = request.record;
    let release = current_release(context, record).await?;
    let number: u16 = rand::random_range(1000..=9999);
    let surroundings = context.app.surroundings.current().await;
    let one_off = OneOff {
        kind: ContainerKind::Run,
        app: record.id,
        app_name: &record.name,
        port: urls::web_port(&context.app.store.ports(record.id).await?, &release.content),
        dyno: format!("run.{number}"),
        words: request.words.to_vec(),
        variables: variables(request.variables)?,
        release: &release,
        surroundings: &surroundings,
    };
    if let Some(name) = one_off.process_type() {
        let found = format!("-----> Found '{name}' in Procfile, running that command\n");
        context.console().stderr(found).await;
    }
    Ok(one_off.specification(&context.app.store).await?)
}

fn variables(pairs: &[String]) -> Result<ConfigVars, CommandError> {
    let parse = |pair: &String| {
        // What stands behind the `=` is not repeated: it may be a secret.
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            CommandError::user(format!("Invalid env pair: {pair}")).hint("Write -e KEY=VALUE")
        })?;
        let key: ConfigKey = key.parse().map_err(CommandError::user)?;
        let value = ConfigValue::from_bytes(value.as_bytes().to_vec()).map_err(CommandError::user)?;
        Ok((key, value))
    };
    pairs.iter().map(parse).collect()
}

/// Makes the container and records it. Whoever holds its claim is asked for before anybody removes it.
async fn create<'a>(
    context: &Context,
    app: &'a App,
    spec: &ContainerSpec,
    request: &Request<'_>,
) -> Result<(ContainerId, Claim<'a>), CommandError> {
    let claim = app.one_offs.claim(&spec.name);
    let id = app.engine.create(spec).await?;
    let record = OneOffRecord {
        container: id.clone(),
        app: request.record.id,
        name: spec.name.clone(),
        detached: request.detached,
        command: shlex::try_join(request.words.iter().map(String::as_str))
            .unwrap_or_else(|_| request.words.join(" ")),
        started_by: context.caller.name.clone(),
        created_at: clock::unix_seconds(),
        ttl_seconds: request.ttl_seconds,
        timed_out: false,
    };
    if let Err(error) = app.store.add_one_off(record).await {
        app.engine.remove(&id).await?;
        return Err(error.into());
    }
    Ok((id, claim))
}
