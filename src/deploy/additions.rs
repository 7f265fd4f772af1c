//! Whether what plugins add to a release fits what is set for its app. Asked before the release is recorded: later
//! it would fail where containers are made, and nobody would know whose fault it is.

use crate::app::App;
use crate::deploy::error::DeployError;
use crate::hooks::Veto;
use crate::model::additions::{AddedOption, AddedPlace, AddedRoute};
use crate::model::hook::Hook;
use crate::model::plugin::PluginName;
use crate::model::process_type::ProcessType;
use crate::model::release::ReleaseContent;
use crate::run::options::{self, OptionsError, Phase};
use crate::store::apps::AppRecord;
use crate::store::docker_options::StoredOption;
use crate::store::resources::Resources;
use crate::urls;

/// Refuses what does not fit, in the name of the plugin with which it ceased to.
pub(super) async fn check(
    app: &App,
    record: &AppRecord,
    content: &ReleaseContent,
) -> Result<(), DeployError> {
    check_options(app, record, content).await?;
    check_routes(app, record, &content.additions.routes).await
}

async fn check_options(app: &App, record: &AppRecord, content: &ReleaseContent) -> Result<(), DeployError> {
    let added: &[AddedOption] = &content.additions.options;
    if added.is_empty() {
        return Ok(());
    }
    let mut all = app.store.docker_options(record.id).await?;
    let resources = app.store.resources(record.id).await?;
    for of_plugin in added.chunk_by(|one, other| one.plugin == other.plugin) {
        all.extend(of_plugin.iter().map(StoredOption::from));
        if let (Err(error), Some(added)) = (fit(&all, &resources, content), of_plugin.first()) {
            return Err(veto(&added.plugin, error.to_string()));
        }
    }
    Ok(())
}

/// Refuses what leads to another app, as `domains:add` does.
async fn check_routes(app: &App, record: &AppRecord, routes: &[AddedRoute]) -> Result<(), DeployError> {
    for AddedRoute { plugin, place, .. } in routes {
        let owner = match place {
            AddedPlace::Host(host) => urls::owner(app, host).await?,
            AddedPlace::Path(place) => app.store.path_owner(place.clone()).await?,
        };
        if let Some(owner) = owner.filter(|owner| *owner != record.name) {
            return Err(veto(plugin, format!("{place} leads to {owner} already")));
        }
    }
    Ok(())
}

fn veto(plugin: &PluginName, reason: String) -> DeployError {
    DeployError::Veto(Veto { plugin: plugin.clone(), hook: Hook::PreRelease, reason })
}

/// Whether each kind of container of a release can have its options.
fn fit(
    options: &[StoredOption],
    resources: &Resources,
    content: &ReleaseContent,
) -> Result<(), OptionsError> {
    let named = content.processes.keys().map(Some);
    for process_type in named.chain([None::<&ProcessType>]) {
        for phase in [Phase::Deploy, Phase::Run] {
            options::compose(options, resources, &options::scopes(process_type, phase), phase)?;
        }
    }
    Ok(())
}
