//! A service's container: made from the record, started, stopped, removed. The data outlives it.

use std::time::Duration;

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::docker::error::EngineError;
use crate::docker::service::{Purpose, ServiceSpec};
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;
use crate::model::container_options::{ContainerOptions, Mount};
use crate::model::docker_option::DockerOption;
use crate::model::phase::Phase;
use crate::model::release::ImageId;
use crate::model::resource::{Bound, Resource};
use crate::model::service::{ServiceProperties, ServiceProperty};
use crate::services::{Service, directories, exec, image, ready};

/// What the networks of services begin with; their numbers follow.
pub fn network_prefix(app: &App) -> String {
    format!("{}-service-", app.engine.network_name())
}

/// Has the service run: makes its container anew from the record, and waits until it serves. Its lease is held.
pub async fn run(app: &App, service: &Service, console: &Console) -> Result<Service, CommandError> {
    let service = begin(app, service, console).await?;
    ready::wait(app, &service, console).await?;
    let container = exec::container(&service)?;
    for network in networks(&service.record.properties, ServiceProperty::PostStartNetwork) {
        app.engine.join(container, network, std::slice::from_ref(&service.record.host)).await?;
    }
    Ok(service)
}

/// Makes and starts the container without waiting for more. The service's lease is held.
pub async fn begin(app: &App, service: &Service, console: &Console) -> Result<Service, CommandError> {
    let image = image::ensure(app, &service.plugin, &service.record.image, console).await?;
    if image != service.record.image {
        app.store.set_service_image(service.record.id, image).await?;
    }
    directories::ensure(app, service).await?;
    let service = service.refreshed(app).await?;
    remove(app, &service).await?;
    let container = make(app, &service).await?;
    app.store.set_service_container(service.record.id, Some(container.clone())).await?;
    app.engine.start(&container).await?;
    service.refreshed(app).await
}

/// Makes the container, with its network.
async fn make(app: &App, service: &Service) -> Result<ContainerId, CommandError> {
    app.engine.ensure_link_network(&service.record.network).await?;
    let spec = specification(app, service)?;
    match app.engine.create_service(&spec).await {
        // One that was made and not recorded: a server was killed in between.
        Err(EngineError::Conflict(_)) => {
            app.engine.remove(&ContainerId::new(spec.name.clone())).await?;
            Ok(app.engine.create_service(&spec).await?)
        }
        made => Ok(made?),
    }
}

/// What a service's container is made from.
pub fn specification(app: &App, service: &Service) -> Result<ServiceSpec, CommandError> {
    let (record, engine) = (&service.record, &service.engine.service);
    let values = service.values();
    let mut environment = values.environment(&service.engine.environment)?;
    environment.extend(record.environment.clone());
    let mut arguments = values.fill_all(&engine.arguments);
    arguments.extend(config_options(&record.properties)?);
    let mut options = options(&record.properties)?;
    options.engine.stop_signal.clone_from(&engine.stop_signal);
    options.mounts = mounts(app, service);
    let early = [ServiceProperty::InitialNetwork, ServiceProperty::PostCreateNetwork];
    let early = early.into_iter().flat_map(|property| networks(&record.properties, property));
    options.networks = early.map(str::to_owned).collect();
    Ok(ServiceSpec {
        name: format!("{}.{}.{}", app.engine.network_name(), record.engine, record.name),
        service: record.id,
        label: format!("{}/{}", record.engine, record.name),
        purpose: Purpose::Service,
        image: ImageId(record.image.reference.clone()),
        entrypoint: None,
        arguments,
        environment,
        network: Some(record.network.clone()),
        host: record.host.clone(),
        stdin: false,
        stop_timeout: stop_timeout(service),
        options,
    })
}

/// What one is made from that works with a service's data while the engine does not: the image, the same directories,
/// no network, and words in place of the entry point. It is not restarted.
pub fn helper(
    app: &App,
    service: &Service,
    words: Vec<String>,
    variables: ConfigVars,
) -> Result<ServiceSpec, CommandError> {
    let own = specification(app, service)?;
    let mut environment = own.environment.clone();
    environment.extend(variables);
    let (entrypoint, arguments) = words.split_first().map_or_else(
        || (None, Vec::new()),
        |(program, arguments)| (Some(vec![program.clone()]), arguments.to_vec()),
    );
    let options = ContainerOptions { networks: Vec::new(), ..own.options.clone() };
    Ok(ServiceSpec {
        name: format!("{}.helper.{:08x}", own.name, rand::random::<u32>()),
        purpose: Purpose::Helper,
        entrypoint,
        arguments,
        environment,
        network: None,
        stdin: true,
        options,
        ..own
    })
}

/// Stops and removes the container, if there is one. The data stays.
pub async fn remove(app: &App, service: &Service) -> Result<(), CommandError> {
    let Some(container) = &service.record.container else { return Ok(()) };
    stop(app, service, container).await?;
    app.engine.remove(container).await?;
    app.store.set_service_container(service.record.id, None).await?;
    Ok(())
}

/// Stops the container, if there is one, and leaves it.
pub async fn pause(app: &App, service: &Service) -> Result<(), CommandError> {
    match &service.record.container {
        Some(container) => stop(app, service, container).await,
        None => Ok(()),
    }
}

async fn stop(app: &App, service: &Service, container: &ContainerId) -> Result<(), CommandError> {
    match app.engine.stop(container, stop_timeout(service)).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// How long its process has between its stop signal and SIGKILL.
pub fn stop_timeout(service: &Service) -> Duration {
    Duration::from_secs(service.engine.service.stop_seconds.into())
}

fn mounts(app: &App, service: &Service) -> Vec<Mount> {
    let engine = &service.engine.service;
    let data = engine.data.as_ref().map(|target| (directories::data(app, service), target, false));
    let config = engine.config.as_ref().map(|target| (directories::config(app, service), target, true));
    let mount = |(source, target, read_only): (std::path::PathBuf, &String, bool)| Mount {
        source: source.to_string_lossy().into_owned(),
        target: target.clone(),
        read_only,
        exclusive: !read_only,
    };
    data.into_iter().chain(config).map(mount).collect()
}

/// The words of `--config-options`.
fn config_options(properties: &ServiceProperties) -> Result<Vec<String>, CommandError> {
    let Some(text) = properties.get(&ServiceProperty::ConfigOptions) else { return Ok(Vec::new()) };
    shlex::split(text).ok_or_else(|| {
        CommandError::user(format!("The config options `{text}` cannot be read"))
            .hint("Every quote has to be closed")
    })
}

fn networks(properties: &ServiceProperties, which: ServiceProperty) -> Vec<&str> {
    let text = properties.get(&which).map(String::as_str).unwrap_or_default();
    text.split([',', ' ']).filter(|name| !name.is_empty()).collect()
}

/// Limits and sizes as they are set.
fn options(properties: &ServiceProperties) -> Result<ContainerOptions, CommandError> {
    let mut options = ContainerOptions::default();
    for (property, resource) in
        [(ServiceProperty::Memory, Resource::Memory), (ServiceProperty::Cpu, Resource::Cpu)]
    {
        if let Some(amount) = properties.get(&property) {
            options.limits.set(Bound::Limit, resource, amount).map_err(CommandError::user)?;
        }
    }
    options.limits.check().map_err(CommandError::user)?;
    if let Some(size) = properties.get(&ServiceProperty::ShmSize) {
        let option = DockerOption::from_parts("shm-size", Some(size.clone()), Phase::Deploy);
        option.and_then(|option| option.apply(&mut options)).map_err(CommandError::user)?;
    }
    Ok(options)
}

/// Says what is wrong with what is to be set, before anything is made of it.
pub fn check(properties: &ServiceProperties) -> Result<(), CommandError> {
    config_options(properties)?;
    options(properties)?;
    let three = [
        ServiceProperty::InitialNetwork,
        ServiceProperty::PostCreateNetwork,
        ServiceProperty::PostStartNetwork,
    ];
    for network in three.into_iter().flat_map(|which| networks(properties, which)) {
        let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if !network.bytes().all(is_known) || network.starts_with(['.', '-', '_']) {
            return Err(CommandError::user(format!("{network} is not a network's name"))
                .hint("See network:list for those that there are"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(list: &[(ServiceProperty, &str)]) -> ServiceProperties {
        list.iter().map(|(property, value)| (*property, (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_set_becomes_limits_words_and_networks() {
        let set = properties(&[
            (ServiceProperty::Memory, "256"),
            (ServiceProperty::Cpu, "0.5"),
            (ServiceProperty::ShmSize, "64m"),
            (ServiceProperty::ConfigOptions, "--a=1 --b='c d'"),
            (ServiceProperty::PostStartNetwork, "one,two"),
        ]);
        let found = options(&set).unwrap();
        assert_eq!(found.limits.memory, Some(256 << 20));
        assert_eq!(found.limits.nano_cpus, Some(500_000_000));
        assert_eq!(found.engine.shm_size, Some(64 << 20));
        assert_eq!(config_options(&set).unwrap(), ["--a=1", "--b=c d"]);
        assert_eq!(networks(&set, ServiceProperty::PostStartNetwork), ["one", "two"]);
        assert!(check(&set).is_ok());
    }

    #[test]
    fn what_no_container_can_have_is_refused_before_it_is_set() {
        for (property, value) in [
            (ServiceProperty::Memory, "1m"),
            (ServiceProperty::Memory, "much"),
            (ServiceProperty::Cpu, "-1"),
            (ServiceProperty::ShmSize, "big"),
            (ServiceProperty::ConfigOptions, "'open"),
            (ServiceProperty::InitialNetwork, "../x"),
        ] {
            assert!(check(&properties(&[(property, value)])).is_err(), "{value}");
        }
    }
}
