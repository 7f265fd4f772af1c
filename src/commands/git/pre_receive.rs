//! `pre-receive`: git's hook asks whether a push may be accepted. It may once it has been deployed.

use std::path::PathBuf;

use clap::Args;

use crate::app::pushes::Push;
use crate::build::BuildSource;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::git::from_archive::cancelled;
use crate::commands::git::other_branches;
use crate::commands::git::turn::take_turn;
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::error::vetoed;
use crate::deploy::ticket::Ticket;
use crate::deploy::{self, Order, Work};
use crate::git::push::{self, Decision, Refusal};
use crate::git::service::PUSH_TOKEN;
use crate::git::tree::Snapshot;
use crate::hooks::Scene;
use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// The longest list of references that is read, in bytes.
const LIMIT: usize = 4 << 20;

/// Decides over a push (git's own entry point)
#[derive(Debug, Args)]
pub struct PreReceive {}

impl Command for PreReceive {
    const NAME: &'static str = "pre-receive";
    const SCOPE: Scope = Scope::Host;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let token = context.io.environment.get(PUSH_TOKEN).cloned().unwrap_or_default();
        let Some(push) = context.app.pushes.get(&token) else {
            return Err(CommandError::user("This push did not come through Slipway")
                .hint("Push over SSH: git push ssh://slipway@HOST:2222/APP main"));
        };
        let record = context.app.store.app_by_id(push.app).await?;
        let record = record.ok_or_else(|| CommandError::user("The app was destroyed during the push"))?;
        let input = context.io.read_stdin(LIMIT).await.map_err(CommandError::user)?;
        let updates = push::parse_updates(&input).map_err(CommandError::user)?;
        let deploy_branch = context.app.store.computed_property(record.id, "deploy-branch").await?;
        let target = match push::decide(deploy_branch.as_deref(), &updates) {
            Ok(Decision::Deploy(target)) => target,
            Ok(Decision::Accept) => {
                context.app.pushes.keep_others(&token, other_branches::of(&updates, None));
                return Ok(0);
            }
            Err(refusal) => {
                let others = other_branches::of(&updates, None);
                let is_other = matches!(refusal, Refusal::OtherBranch { .. });
                if is_other && other_branches::are_taken(&context, &record, &push, &others).await? {
                    context.app.pushes.keep_others(&token, others);
                    return Ok(0);
                }
                return Err(refused(&refusal, &record.name));
            }
        };
        context.app.pushes.keep_others(&token, other_branches::of(&updates, Some(&target.reference)));
        let quarantine = context.io.environment.get("GIT_QUARANTINE_PATH").map(PathBuf::from);
        let repositories = &context.app.repositories;
        let snapshot =
            Snapshot::open(repositories, &record.name, &target.object, quarantine.as_deref()).await?;
        let commit = snapshot.commit().as_str().to_owned();
        let order = order(&context, &record, &push, snapshot);
        ask_plugins(&context, &record, &order, (commit, target.branch.clone())).await?;
        let ticket = Ticket::take(&context.app, &order).await?;
        let Some(turn) = take_turn(&context, record.id, &ticket).await? else {
            return Err(cancelled(&context, order, ticket).await);
        };
        context.app.pushes.keep_turn(&token, turn);
        let now = repositories.target_of(&record.name, &target.reference).await;
        if now.as_ref().ok() != Some(&target.old) {
            ticket.withdraw(&context.app).await?;
            // The app may have been renamed or destroyed meanwhile, and its repository is where it was no more.
            now?;
            return Err(refused(&Refusal::Overtaken(target.branch), &record.name));
        }
        if target.becomes_deploy_branch {
            context.console().step(format!("Set {} as deploy-branch", target.branch)).await;
        }
        deploy_push(&context, order, ticket).await?;
        if target.becomes_deploy_branch {
            let branch = Some(target.branch.clone());
            context.app.store.set_property(Some(record.id), "deploy-branch", branch).await?;
        }
        if target.is_branch() {
            // A clone checks out what is deployed, also after `git:set deploy-branch`.
            repositories.set_head(&record.name, &target.branch).await?;
        }
        Ok(0)
    }
}

/// Asks plugins whether a commit of a branch may be deployed.
async fn ask_plugins(
    context: &Context,
    record: &AppRecord,
    order: &Order,
    (commit, branch): (String, String),
) -> Result<(), CommandError> {
    let event = || Event::ReceiveApp { app: record.name.clone(), by: order.by.clone(), commit, branch };
    let asked = context.app.hooks.ask(Hook::ReceiveApp, Scene::deploy(&order.console), event).await;
    asked.map_err(|veto| vetoed(&veto))
}

/// An order in the name of who pushes.
fn order(context: &Context, record: &AppRecord, push: &Push, snapshot: Snapshot) -> Order {
    Order {
        app: record.id,
        description: format!("Deploy {}", snapshot.commit().short()),
        work: Work::Build(BuildSource::Commit(snapshot)),
        by: push.caller.name.clone(),
        console: context.io.console.clone(),
        cancel: push.client_gone.child_token(),
    }
}

/// Deploys; cancelled when either who pushes or their git goes away.
async fn deploy_push(context: &Context, order: Order, ticket: Ticket) -> Result<(), CommandError> {
    let cancel = order.cancel.clone();
    let mut deploying = std::pin::pin!(deploy::run_with(&context.app, order, ticket));
    tokio::select! {
        result = &mut deploying => Ok(result?),
        () = context.io.client_gone.cancelled() => {
            cancel.cancel();
            Ok(deploying.await?)
        }
    }
}

fn refused(refusal: &Refusal, app_name: &AppName) -> CommandError {
    refusal.hints(app_name).into_iter().fold(CommandError::user(refusal), CommandError::hint)
}
