//! `config:*`: an app's config vars, or the global ones.

pub mod export;
pub mod get;
pub mod import;
pub mod set;
pub mod show;
pub mod unset;

use clap::Args;

use crate::command_error::CommandError;
use crate::commands::turns::Turns;
use crate::commands::{Context, Target, links};
use crate::deploy::{self, Work};
use crate::hooks::Scene;
use crate::model::config_var::{ConfigKey, ConfigVars};
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::store::apps::{AppId, AppRecord};

/// Which vars: an app's, or with `--global` those of all apps.
///
/// The app is the first positional argument; without one `--global` has to be there.
#[derive(Clone, Debug, Args)]
pub struct Owner {
    /// The vars of all apps instead of one app's
    #[arg(long)]
    pub global: bool,
}

/// What the owner and the positional words name.
fn target(owner: &Owner, words: &[String]) -> Target {
    match words.first() {
        _ if owner.global => Target::Server,
        Some(app) => Target::One(app.clone()),
        None => Target::Nothing,
    }
}

/// The app of the arguments, or `None` for the global vars; and the words that are left.
fn split<'a>(
    context: &Context,
    owner: &Owner,
    words: &'a [String],
) -> Result<(Option<AppId>, &'a [String]), CommandError> {
    if owner.global {
        return Ok((None, words));
    }
    let id = context.target()?.id;
    Ok((Some(id), words.get(1..).unwrap_or_default()))
}

/// Refuses words behind the app: whoever writes `config:clear blog KEY` does not want to lose all the others.
fn nothing_more(rest: &[String]) -> Result<(), CommandError> {
    match rest.first() {
        None => Ok(()),
        Some(word) => {
            Err(CommandError::user(format!("This command is about all config vars: {word} is too much"))
                .hint("For one of them: config:get APP KEY, config:unset APP KEY"))
        }
    }
}

/// Changes the vars and, unless told not to, runs the apps that are concerned with the new ones.
async fn change(
    context: &Context,
    app: Option<AppId>,
    set: ConfigVars,
    unset: Vec<ConfigKey>,
    restart: bool,
) -> Result<(), CommandError> {
    let description = describe(&set, &unset);
    let names = |keys: Vec<&ConfigKey>| keys.into_iter().map(ToString::to_string).collect::<Vec<_>>();
    let event = Event::PostConfigUpdate {
        app: app.and(context.targets.first()).map(|record| record.name.clone()),
        by: context.caller.name.clone(),
        set: names(set.keys().collect()),
        unset: names(unset.iter().collect()),
    };
    if app.is_some() {
        links::guard(context, context.target()?, set.keys().chain(&unset)).await?;
    }
    context.app.store.change_config(app, set, unset).await?;
    let scene = Scene::command(context.console());
    context.app.hooks.tell(Hook::PostConfigUpdate, scene, || event).await;
    if !restart {
        return Ok(());
    }
    let concerned = match app {
        Some(_) => context.targets.clone(),
        None => context.app.store.apps().await?,
    };
    self::restart(context, concerned, &description).await
}

/// Runs apps with the config vars that they have now; those that do not run are left alone.
pub async fn restart(
    context: &Context,
    concerned: Vec<AppRecord>,
    description: &str,
) -> Result<(), CommandError> {
    let running: Vec<AppRecord> =
        concerned.into_iter().filter(|record| record.current_release.is_some() && !record.stopped).collect();
    let mut turns = Turns::new(context.console(), running.len());
    for record in running {
        if context.caller.holds_up(&record.name) {
            let text = format!("{} is not restarted: its deploy waits for this very plugin", record.name);
            context.console().step(text).await;
            continue;
        }
        context.console().step(format!("Restarting app {}", record.name)).await;
        let order = context.order(&record, Work::Restart(None), description);
        let result = deploy::run(&context.app, order).await.map_err(|error| {
            CommandError::from(error).hint(format!(
                "The config vars are changed all the same, for the next deploy or ps:restart {}",
                record.name
            ))
        });
        turns.note(&record.name, result).await?;
    }
    turns.finish()?;
    Ok(())
}

/// The release's description: names only, never values.
fn describe(set: &ConfigVars, unset: &[ConfigKey]) -> String {
    let names = |keys: Vec<&ConfigKey>| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (set.is_empty(), unset.is_empty()) {
        (false, true) => format!("Set {}", names(set.keys().collect())),
        (true, false) => format!("Unset {}", names(unset.iter().collect())),
        _ => "Replace config vars".to_owned(),
    }
}
