//! Another image or version for a service. Within a major version the engine starts on the same data; across, where
//! its definition says so, the data is dumped and restored into a new directory, and the former one kept.

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::model::config_var::ConfigVars;
use crate::model::engine::Across;
use crate::model::service::{ServiceProperties, WantedState};
use crate::services::fresh::{self, Former};
use crate::services::{Service, apart, container, contents, directories, dump};
use crate::store::services::{ServiceImage, ServiceRecord};

/// What a service is to become.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// What it is made of from now on.
    pub image: ServiceImage,
    /// What is set of it, as far as it changes.
    pub properties: ServiceProperties,
    /// Further variables of its container.
    pub environment: ConfigVars,
}

/// How a service got to another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// On the same data.
    SameData,
    /// By a dump; the former data is kept.
    Dumped,
}

/// Upgrades a service. Where it fails, the service is as it was. Its lease is held.
pub async fn upgrade(
    app: &App,
    service: &Service,
    upgrade: Upgrade,
    console: &Console,
) -> Result<Way, CommandError> {
    let former = service.record.clone();
    settle(app, service, &former, &upgrade).await?;
    let way = way(service, &former.image, &upgrade.image);
    let upgraded = match way {
        Way::SameData => restart(app, service, &upgrade, console).await,
        Way::Dumped => through_a_dump(app, service, &upgrade, console).await,
    };
    if let Err(error) = upgraded {
        console.warn("The upgrade failed, and the service gets back what it was").await;
        back(app, service, &former, console).await?;
        return Err(error);
    }
    Ok(way)
}

/// Whether the data has to be dumped.
fn way(service: &Service, from: &ServiceImage, to: &ServiceImage) -> Way {
    let rules = service.engine.upgrade;
    let crosses = major(&from.version, rules.major) != major(&to.version, rules.major);
    let has_data = service.engine.service.data.is_some() && service.engine.dump.is_some();
    if crosses && rules.across == Across::Dump && has_data { Way::Dumped } else { Way::SameData }
}

/// The first numbers of a version: those that tell whether data can be read by another one.
fn major(version: &str, numbers: usize) -> Vec<&str> {
    version.split(['.', '-']).take(numbers).collect()
}

/// Records what is set; image and data follow.
async fn settle(
    app: &App,
    service: &Service,
    former: &ServiceRecord,
    upgrade: &Upgrade,
) -> Result<(), CommandError> {
    let mut properties = former.properties.clone();
    properties.extend(upgrade.properties.clone());
    container::check(&properties)?;
    let mut environment = former.environment.clone();
    environment.extend(upgrade.environment.clone());
    app.store.set_service_properties(service.record.id, &properties).await?;
    Ok(app.store.set_service_environment(service.record.id, &environment).await?)
}

async fn restart(
    app: &App,
    service: &Service,
    upgrade: &Upgrade,
    console: &Console,
) -> Result<(), CommandError> {
    app.store.set_service_image(service.record.id, upgrade.image.clone()).await?;
    let service = service.refreshed(app).await?;
    if service.record.wanted == WantedState::Running {
        container::run(app, &service, console).await?;
    } else {
        container::remove(app, &service).await?;
    }
    Ok(())
}

/// Nothing may be written meanwhile, so the former engine is started on no network for the dump.
async fn through_a_dump(
    app: &App,
    service: &Service,
    upgrade: &Upgrade,
    console: &Console,
) -> Result<(), CommandError> {
    console.step("Another major version: the data is dumped and restored. Nobody reaches the service until it is done").await;
    container::remove(app, &service.refreshed(app).await?).await?;
    let stopped = service.refreshed(app).await?;
    let source = apart::start(app, &stopped, &[], console).await?;
    let restored = transfer(app, &stopped, &source, upgrade, console).await;
    apart::stop(app, &source).await?;
    fresh::take_place(app, &stopped, &restored?, Former::Kept, console).await?;
    Ok(())
}

/// From the one engine into the other; both run.
async fn transfer(
    app: &App,
    service: &Service,
    source: &Service,
    upgrade: &Upgrade,
    console: &Console,
) -> Result<Service, CommandError> {
    let before = contents::count(app, source).await?;
    let mut stream = dump::begin(app, source).await?;
    let target = fresh::restore(app, service, upgrade.image.clone(), &mut stream, console).await?;
    let recorded = contents::between(&before, &before);
    let differences = match contents::count(app, &target).await {
        Ok(after) => contents::differences(&recorded, &after),
        Err(error) => vec![error.to_string()],
    };
    if differences.is_empty() {
        return Ok(target);
    }
    apart::discard(app, &target).await?;
    let differences = contents::listed(&differences);
    Err(CommandError::user(format!("The new version does not have what the former one has: {differences}")))
}

/// Gives a service back what it was.
async fn back(
    app: &App,
    service: &Service,
    former: &ServiceRecord,
    console: &Console,
) -> Result<(), CommandError> {
    let id = former.id;
    app.store.set_service_properties(id, &former.properties).await?;
    app.store.set_service_environment(id, &former.environment).await?;
    let now = service.refreshed(app).await?;
    if now.record.data == former.data && now.record.image != former.image {
        app.store.set_service_image(id, former.image.clone()).await?;
    }
    let now = service.refreshed(app).await?;
    if former.wanted == WantedState::Running {
        container::run(app, &now, console).await?;
    }
    Ok(())
}

/// Removes the data that a service had before its last upgrade. Its lease is held.
pub async fn confirm(app: &App, service: &Service) -> Result<(), CommandError> {
    let former = former(app, service).await?;
    app.store.forget_former_service_data(service.record.id).await?;
    directories::remove_data(app, &former).await
}

/// Gives a service back the data and the version that it had before its last upgrade; what was written since is lost.
/// Its lease is held.
pub async fn undo(app: &App, service: &Service, console: &Console) -> Result<Service, CommandError> {
    let former = former(app, service).await?;
    let (id, record) = (service.record.id, &former.record);
    container::remove(app, service).await?;
    app.store.return_service_data(id, record.data.clone(), record.image.clone()).await?;
    let mut now = service.refreshed(app).await?;
    if now.record.wanted == WantedState::Running {
        now = container::run(app, &now, console).await?;
        // Links may have got others since.
        fresh::make_users(app, &now).await?;
    }
    directories::remove_data(app, service).await?;
    now.refreshed(app).await
}

/// The service as it was before its last upgrade.
async fn former(app: &App, service: &Service) -> Result<Service, CommandError> {
    let former = app.store.former_service_data(service.record.id).await?;
    let former = former.ok_or_else(|| {
        CommandError::user(format!("{service} keeps no data of an earlier version"))
            .hint("Only an upgrade to another major version keeps the former data")
    })?;
    let record =
        ServiceRecord { data: former.data, image: former.image, container: None, ..service.record.clone() };
    Ok(Service { record, ..service.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_numbers_are_the_major_version_as_the_engine_says() {
        assert_eq!(major("17.2", 1), major("17", 1));
        assert_ne!(major("15", 1), major("17", 1));
        assert_eq!(major("17-alpine", 1), major("17.2", 1));
        assert_ne!(major("10.11", 2), major("10.6.3", 2));
        assert_eq!(major("10.11.4", 2), major("10.11", 2));
    }
}
