//! A dump restored into a fresh data directory, beside the service and unseen by its clients. Only once all of it is in,
//! and found good, does the directory take the place of the service's own.

use crate::app::App;
use crate::backups::ByteStream;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::model::engine::{Engine, Restore, RestoreMode};
use crate::model::service::WantedState;
use crate::services::dump::KEEP_ELSEWHERE;
use crate::services::program::{write_to, write_to_container};
use crate::services::{Service, apart, container, directories, exec};
use crate::store::service_links::LinkUser;
use crate::store::services::ServiceImage;

/// Restores a dump into a fresh data directory and gives the engine that runs on it, apart from the service. Nothing is
/// left of it where it fails. The service's lease is held.
pub async fn restore(
    app: &App,
    service: &Service,
    image: ServiceImage,
    source: &mut ByteStream,
    console: &Console,
) -> Result<Service, CommandError> {
    let fresh = apart::with_fresh_data(service, image);
    match fill(app, &fresh, source, console).await {
        Ok(running) => Ok(running),
        Err(error) => {
            apart::discard(app, &fresh).await?;
            Err(error)
        }
    }
}

async fn fill(
    app: &App,
    fresh: &Service,
    source: &mut ByteStream,
    console: &Console,
) -> Result<Service, CommandError> {
    let restore = restore_of(&fresh.engine)?;
    let fresh = &apart::prepare(app, fresh, console).await?;
    let program = (restore.command.as_slice(), &restore.environment);
    if restore.mode == RestoreMode::Stopped {
        console.step("Restoring into a fresh data directory").await;
        let values = fresh.values();
        let words = values.fill_all(&restore.command);
        let spec = container::helper(app, fresh, words, values.environment(&restore.environment)?)?;
        let container = app.engine.create_service(&spec).await?;
        write_to_container(app, &container, source).await?;
    }
    let running = apart::start(app, fresh, &restore.arguments, console).await?;
    let filled = async {
        if restore.mode == RestoreMode::Running {
            console.step("Restoring into a fresh data directory").await;
            let container = exec::container(&running)?;
            write_to(app, container, program, &running.values(), source).await?;
        }
        make_users(app, &running).await
    };
    match filled.await {
        Ok(()) => Ok(running),
        Err(error) => {
            apart::discard(app, &running).await?;
            Err(error)
        }
    }
}

/// How a dump is read, or why it is not.
pub fn restore_of(engine: &Engine) -> Result<&Restore, CommandError> {
    let nothing = || format!("{} keeps nothing that could be restored", engine.service.title);
    engine.restore.as_ref().ok_or_else(|| CommandError::user(nothing()).hint(KEEP_ELSEWHERE))
}

/// Makes the users of all links, and those that instances which are about to end still have.
pub async fn make_users(app: &App, running: &Service) -> Result<(), CommandError> {
    let Some(credentials) = &running.engine.credentials else { return Ok(()) };
    let id = running.record.id;
    let links = app.store.links_to_service(id).await?.into_iter().map(|link| link.user);
    let departures = app.store.departures().await?.into_iter();
    let departures = departures.filter(|departure| departure.service == id).map(|departure| departure.user);
    let users: Vec<LinkUser> = links.chain(departures).collect();
    let container = exec::container(running)?;
    for user in users.iter().filter(|user| user.name != running.engine.service.admin_user) {
        let values = running.values().with_user(user);
        let ran = exec::run(app, container, &credentials.add, &values).await?;
        ran.checked(&format!("The user {} cannot be made in the new data", user.name))?;
    }
    Ok(())
}

/// What becomes of the data that was the service's until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Former {
    /// It is removed once the new one serves.
    Removed,
    /// It is kept until somebody decides.
    Kept,
}

/// Has a service run on the data, and with the image, of an engine that runs apart from it. The service is down while
/// its container is made anew; if it does not come up, it is as it was before. Its lease is held.
pub async fn take_place(
    app: &App,
    service: &Service,
    fresh: &Service,
    former: Former,
    console: &Console,
) -> Result<Service, CommandError> {
    if let Err(error) = apart::stop(app, fresh).await {
        apart::discard(app, fresh).await?;
        return Err(error);
    }
    let replaced = async {
        directories::write_out(app, fresh).await?;
        replace(app, service, fresh, former, console).await
    };
    match replaced.await {
        Ok(service) => Ok(service),
        Err(error) => {
            // Unless it is the service's own now.
            if service.refreshed(app).await?.record.data != fresh.record.data {
                directories::remove_data(app, fresh).await?;
            }
            Err(error)
        }
    }
}

async fn replace(
    app: &App,
    service: &Service,
    fresh: &Service,
    former: Former,
    console: &Console,
) -> Result<Service, CommandError> {
    let service = service.refreshed(app).await?;
    let (old, new) = (&service.record, &fresh.record);
    console.step("Putting it in the place of the service's data").await;
    container::remove(app, &service).await?;
    let keep = former == Former::Kept;
    app.store.replace_service_data(old.id, new.data.clone(), new.image.clone(), keep).await?;
    let now = service.refreshed(app).await?;
    if old.wanted == WantedState::Running
        && let Err(error) = container::run(app, &now, console).await
    {
        console.warn("It does not come up with the new data and gets the former one back").await;
        container::remove(app, &now.refreshed(app).await?).await?;
        app.store.return_service_data(old.id, old.data.clone(), old.image.clone()).await?;
        container::run(app, &service.refreshed(app).await?, console).await?;
        return Err(error);
    }
    if !keep && let Err(error) = directories::remove_data(app, &service).await {
        tracing::warn!(%service, %error, "the former data is not removed; the reconciler tries again");
    }
    now.refreshed(app).await
}
