//! A service's engine run apart from it: in a container of its own, on no network, with another data directory or
//! another image. Nobody but Slipway reaches it. What a killed server leaves of it is a stray to the reconciler.

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::docker::service::{Purpose, ServiceSpec};
use crate::model::container_options::ContainerOptions;
use crate::services::{Service, container, directories, image, ready};
use crate::store::services::{ServiceImage, ServiceRecord};

/// Directories with data begin so; the one that is recorded is the service's, others are left over.
pub const DATA: &str = "data";

/// The same service with another image and a data directory that does not exist yet.
pub fn with_fresh_data(service: &Service, image: ServiceImage) -> Service {
    let data = format!("{DATA}-{:08x}", rand::random::<u32>());
    let record = ServiceRecord { data, image, container: None, ..service.record.clone() };
    Service { record, ..service.clone() }
}

/// Makes the directory and the image, if they are not there; the image may have another name then.
pub async fn prepare(app: &App, apart: &Service, console: &Console) -> Result<Service, CommandError> {
    let image = image::ensure(app, &apart.plugin, &apart.record.image, console).await?;
    directories::ensure(app, apart).await?;
    let record = ServiceRecord { image, ..apart.record.clone() };
    Ok(Service { record, ..apart.clone() })
}

/// Runs the engine, with some arguments more, and waits until it serves. Nothing runs any more where that fails.
pub async fn start(
    app: &App,
    apart: &Service,
    arguments: &[String],
    console: &Console,
) -> Result<Service, CommandError> {
    let own = container::specification(app, apart)?;
    let spec = ServiceSpec {
        arguments: own.arguments.iter().chain(arguments).cloned().collect(),
        name: format!("{}.apart.{:08x}", own.name, rand::random::<u32>()),
        purpose: Purpose::Helper,
        network: None,
        options: ContainerOptions { networks: Vec::new(), ..own.options.clone() },
        ..own
    };
    let container = app.engine.create_service(&spec).await?;
    let record = ServiceRecord { container: Some(container.clone()), ..apart.record.clone() };
    let running = Service { record, ..apart.clone() };
    let ready = async {
        app.engine.start(&container).await?;
        ready::wait(app, &running, console).await
    };
    match ready.await {
        Ok(()) => Ok(running),
        Err(error) => {
            app.engine.remove(&container).await?;
            Err(error)
        }
    }
}

/// Ends the engine as it wants to be ended, so that its data is whole.
pub async fn stop(app: &App, apart: &Service) -> Result<(), CommandError> {
    let Some(container) = &apart.record.container else { return Ok(()) };
    app.engine.stop(container, container::stop_timeout(apart)).await?;
    Ok(app.engine.remove(container).await?)
}

/// Ends the engine at once and removes its data.
pub async fn discard(app: &App, apart: &Service) -> Result<(), CommandError> {
    if let Some(container) = &apart.record.container {
        app.engine.remove(container).await?;
    }
    directories::remove_data(app, apart).await
}
