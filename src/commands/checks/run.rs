//! `checks:run`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::checks::rules;
use crate::model::process_type::{InstanceName, ProcessType};
use crate::model::release::Release;
use crate::model::role::Role;
use crate::run::check::Subject;
use crate::run::check_rules::CheckRules;
use crate::run::startup::{StartupError, Trial};
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;
use crate::urls;

/// How long an instance that runs has for the default check.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes the checks of a deploy against the instances that run now
#[derive(Debug, Args)]
pub struct Run {
    /// The app
    app: String,
    /// Process types or instances, for example web,worker.2; all if not given
    #[arg(value_name = "PROCESS[.N]")]
    processes: Option<String>,
}

/// What is the same for all instances.
struct Running {
    release: Release,
    rules: CheckRules,
    port: u16,
}

impl Command for Run {
    const NAME: &'static str = "checks:run";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let running = running(&context, &record).await?;
        let chosen = choose(&context, &record, &running.release, self.processes.as_deref()).await?;
        let console = context.console();
        console.step("Running pre-flight checks").await;
        let mut failed = Vec::new();
        let mut left_out = BTreeSet::new();
        for instance in &chosen {
            let process_type = &instance.name.process_type;
            if running.rules.disabled.contains(process_type) {
                if left_out.insert(process_type) {
                    let which = format!("{}.{process_type}", record.name);
                    console
                        .step(format!("Zero downtime is disabled for app ({which}). Skipping checks"))
                        .await;
                }
                continue;
            }
            console.step(format!("Running checks for app ({}.{})", record.name, instance.name)).await;
            if !check(&context, &running, instance).await? {
                failed.push(instance.name.to_string());
            }
        }
        if failed.is_empty() {
            return Ok(0);
        }
        let (names, first) = (failed.join(", "), failed.first().cloned().unwrap_or_default());
        Err(CommandError::user(format!(
            "{} of {} instances failed their checks ({names})",
            failed.len(),
            chosen.len()
        ))
        .hint(format!("Look at what it printed: logs {} -p {}", record.name, first)))
    }
}

async fn running(context: &Context, record: &AppRecord) -> Result<Running, CommandError> {
    let store = &context.app.store;
    let release = match record.current_release {
        Some(id) => store.release(id).await?,
        None => None,
    };
    let release = release.ok_or_else(|| CommandError::not_deployed(&record.name))?;
    let port = urls::web_port(&store.ports(record.id).await?, &release.content);
    let rules = rules(&context.app, record).await?;
    Ok(Running { release, rules, port })
}

/// Makes one instance's checks, and says whether they succeeded.
async fn check(
    context: &Context,
    running: &Running,
    instance: &InstanceRecord,
) -> Result<bool, CommandError> {
    let (engine, console) = (&context.app.engine, context.console());
    let facts = match engine.inspect(instance.container.as_str()).await {
        Err(error) if error.is_not_found() => None,
        answer => Some(answer?),
    };
    let Some(address) = facts.and_then(|facts| facts.address) else {
        console.warn(format!("The instance does not run ({})", instance.name)).await;
        return Ok(false);
    };
    let subject = Subject {
        engine: engine.clone(),
        container: instance.container.clone(),
        address,
        port: running.port,
        host: running.rules.host.clone(),
        https: running.rules.https,
        config: running.release.content.config.clone(),
    };
    let trial = Trial {
        subject: &subject,
        name: &instance.name,
        checks: &running.rules.startup_checks(&running.release.content, &instance.name.process_type),
        deadline: PATIENCE.min(running.rules.deadline),
        window: Duration::ZERO,
        console,
    };
    match trial.again().await {
        Ok(()) => {
            console.detail(format!("All checks successful ({})", instance.name)).await;
            Ok(true)
        }
        Err(StartupError::Unhealthy(reason)) => {
            let count = reason.count();
            console.warn(format!("{count} failed checks ({}): {reason}", instance.name)).await;
            Ok(false)
        }
        Err(StartupError::Engine(error)) => Err(error.into()),
    }
}

/// The instances that the words name, each once, in their order.
async fn choose(
    context: &Context,
    record: &AppRecord,
    release: &Release,
    words: Option<&str>,
) -> Result<Vec<InstanceRecord>, CommandError> {
    let instances = context.app.store.instances(Some(record.id)).await?;
    let Some(words) = words.filter(|words| *words != "_all_") else { return Ok(instances) };
    let types: Vec<&str> = release.content.processes.keys().map(ProcessType::as_str).collect();
    let mut chosen = Vec::new();
    for word in words.split(',').map(str::trim) {
        let name = word.parse::<InstanceName>().ok();
        let process_type = name.as_ref().map_or(word, |name| name.process_type.as_str());
        if !types.contains(&process_type) {
            return Err(CommandError::user(format!(
                "Invalid process type specified ({}.{word})",
                record.name
            ))
            .hint(format!("It has: {}", types.join(", "))));
        }
        let found = instances.iter().filter(|instance| match &name {
            Some(name) => instance.name == *name,
            None => instance.name.process_type.as_str() == word,
        });
        let before = chosen.len();
        chosen.extend(found.cloned());
        if chosen.len() == before && name.is_some() {
            let names: Vec<String> = instances.iter().map(|instance| instance.name.to_string()).collect();
            let message = format!("Invalid container index specified ({}.{word})", record.name);
            return Err(CommandError::user(message).hint(format!("It has: {}", names.join(", "))));
        }
    }
    chosen.sort_by(|one, other| one.name.cmp(&other.name));
    chosen.dedup();
    Ok(chosen)
}
