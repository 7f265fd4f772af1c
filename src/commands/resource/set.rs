//! `resource:limit` and `resource:reserve`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::resource::{change, scope, subject, tell_when, warn_of_unknown};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::container_options::Limits;
use crate::model::process_scope::ProcessScope;
use crate::model::resource::{Bound, Resource};
use crate::model::role::Role;

/// Limits what an app's containers may use: processors, memory, processes
#[derive(Debug, Args)]
pub struct Limit {
    #[command(flatten)]
    amounts: Amounts,
}

/// Sets resources aside for an app's containers: a share of the processors, memory
#[derive(Debug, Args)]
pub struct Reserve {
    #[command(flatten)]
    amounts: Amounts,
}

/// The arguments of both. An amount `clear` unsets it.
#[derive(Debug, Args)]
struct Amounts {
    /// Processors, for example 0.5
    #[arg(long, allow_hyphen_values = true)]
    cpu: Option<String>,
    /// Memory, for example 512m; a plain number is megabytes
    #[arg(long, allow_hyphen_values = true)]
    memory: Option<String>,
    /// Memory and swap together, or -1 for all the swap there is; without it there is no swap beyond the memory
    #[arg(long, allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Processes and threads
    #[arg(long, allow_hyphen_values = true)]
    pids: Option<String>,
    /// Not supported: traffic is not limited
    #[arg(long, hide = true)]
    network: Option<String>,
    /// Not supported: traffic is not limited
    #[arg(long, hide = true)]
    network_ingress: Option<String>,
    /// Not supported: traffic is not limited
    #[arg(long, hide = true)]
    network_egress: Option<String>,
    /// Not supported: graphics processors are not handed out
    #[arg(long, hide = true)]
    nvidia_gpu: Option<String>,
    /// One process type; run for one-off processes. Without it all that have nothing of their own
    #[arg(long, value_name = "PROCESS")]
    process_type: Option<String>,
    /// The app
    app: String,
}

impl Command for Limit {
    const NAME: &'static str = "resource:limit";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.amounts.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        self.amounts.run(&context, Bound::Limit).await
    }
}

impl Command for Reserve {
    const NAME: &'static str = "resource:reserve";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.amounts.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        self.amounts.run(&context, Bound::Reserve).await
    }
}

impl Amounts {
    async fn run(&self, context: &Context, bound: Bound) -> CommandResult {
        self.refuse_unsupported()?;
        let record = context.target()?;
        let scope = scope(self.process_type.as_ref())?;
        let given = self.given();
        if given.is_empty() {
            return show(context, bound, &scope).await;
        }
        let mut resources = context.app.store.resources(record.id).await?;
        let amounts = resources.entry(scope.clone()).or_default();
        for (resource, amount) in &given {
            if *amount == "clear" {
                amounts.remove(&(bound, *resource));
                continue;
            }
            let set = Limits::default().set(bound, *resource, amount);
            set.map_err(|error| CommandError::user(error).hint(format!("For example: {}", example(bound))))?;
            amounts.insert((bound, *resource), (*amount).to_owned());
        }
        change::record(context, record, resources).await?;
        warn_of_unknown(context, record, &scope).await?;
        let console = context.console();
        console.headline(format!("Setting {}", subject(bound, record, &scope))).await;
        for (resource, amount) in given {
            console.detail(format!("{resource}: {amount}")).await;
        }
        tell_when(context, record).await;
        Ok(0)
    }

    fn given(&self) -> Vec<(Resource, &str)> {
        let all = [
            (Resource::Cpu, &self.cpu),
            (Resource::Memory, &self.memory),
            (Resource::MemorySwap, &self.memory_swap),
            (Resource::Pids, &self.pids),
        ];
        all.into_iter().filter_map(|(resource, amount)| Some((resource, amount.as_deref()?))).collect()
    }

    fn refuse_unsupported(&self) -> Result<(), CommandError> {
        let traffic = "Slipway does not limit traffic";
        let unsupported = [
            ("--network", &self.network, traffic),
            ("--network-ingress", &self.network_ingress, traffic),
            ("--network-egress", &self.network_egress, traffic),
            ("--nvidia-gpu", &self.nvidia_gpu, "Slipway does not hand out graphics processors"),
        ];
        match unsupported.into_iter().find(|(_, amount, _)| amount.is_some()) {
            None => Ok(()),
            Some((flag, _, why)) => Err(CommandError::user(format!("{flag} is not supported: {why}"))
                .hint("There are --cpu, --memory, --memory-swap and --pids")),
        }
    }
}

fn example(bound: Bound) -> String {
    format!("resource:{bound} --memory 512m --cpu 0.5 APP")
}

/// What is set for one scope, and nothing else.
async fn show(context: &Context, bound: Bound, scope: &ProcessScope) -> CommandResult {
    let record = context.target()?;
    let resources = context.app.store.resources(record.id).await?;
    let what = match scope {
        ProcessScope::Default => "defaults",
        ProcessScope::Only(process_type) => process_type.as_str(),
    };
    let title = format!("resource {bound}s {} information [{what}]", record.name);
    let console = context.console();
    console.headline(title).await;
    for resource in Resource::ALL.into_iter().filter(|one| bound == Bound::Limit || one.is_reservable()) {
        let amount = resources.get(scope).and_then(|amounts| amounts.get(&(bound, resource)));
        let amount = amount.map_or("", String::as_str);
        console.line(format!("       {resource}: {amount}").trim_end()).await;
    }
    Ok(0)
}
