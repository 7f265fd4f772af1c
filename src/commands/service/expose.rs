//! `ENGINE:expose` and `ENGINE:unexpose`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use clap::Args;
use ipnet::IpNet;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::{Service, expose};
use crate::store::exposures::Exposure;

/// Makes a service reachable on ports of the host: of the host itself, if no address is given
#[derive(Debug, Args)]
pub struct Expose {
    /// Who may connect: addresses or networks, with commas between
    #[arg(long, value_delimiter = ',')]
    allow: Vec<String>,
    /// The service
    service: String,
    /// One for each port of the service, as PORT or ADDRESS:PORT; free ones if not given
    ports: Vec<String>,
}

impl Command for Expose {
    const NAME: &'static str = "service:expose";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let allow = self.allow.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
        let (_lease, service) = hold(&context).await?;
        let (store, id) = (&context.app.store, service.record.id);
        let present = store.exposures(Some(id)).await?;
        if !present.is_empty() {
            let shown = expose::shown(&present);
            let (engine, name) = (&service.record.engine, &service.record.name);
            return Err(CommandError::user(format!(
                "Service {name} already exposed on port(s) [container->host]: {shown}"
            ))
            .hint(format!("For other ones first: {engine}:unexpose {name}")));
        }
        let exposures = exposures(&service, &self.ports, &allow)?;
        store.set_exposures(id, exposures.clone()).await?;
        let failures = expose::apply(&context.app).await?;
        if let Some((listen, error)) =
            failures.into_iter().find(|(listen, _)| exposures.iter().any(|one| one.listen == *listen))
        {
            store.set_exposures(id, Vec::new()).await?;
            expose::apply(&context.app).await?;
            return Err(CommandError::user(format!("{listen} cannot be listened on: {error}"))
                .hint("Choose another port, or an address of this host"));
        }
        let shown = expose::shown(&exposures);
        store.note_service_event(id, &context.caller.name, format!("exposed on {shown}")).await?;
        let name = &service.record.name;
        context.console().step(format!("Service {name} exposed on port(s) [container->host]: {shown}")).await;
        Ok(0)
    }
}

/// What is to be exposed, a port of the host for each of the service's.
fn exposures(service: &Service, ports: &[String], allow: &[IpNet]) -> Result<Vec<Exposure>, CommandError> {
    let own = &service.engine.service.ports;
    if !ports.is_empty() && ports.len() != own.len() {
        let listed: Vec<String> = own.iter().map(ToString::to_string).collect();
        return Err(CommandError::user(format!("{} ports to be exposed need to be provided", own.len()))
            .hint(format!("In the order of its own: {}", listed.join(" "))));
    }
    let place = |index: usize| match ports.get(index) {
        Some(text) => address(text),
        None => free_port(),
    };
    let exposure = |(index, port): (usize, &u16)| {
        let listen = place(index)?;
        Ok(Exposure { service: service.record.id, port: *port, listen, allow: allowed(listen, allow)? })
    };
    own.iter().enumerate().map(exposure).collect()
}

/// `PORT` or `ADDRESS:PORT`.
fn address(text: &str) -> Result<SocketAddr, CommandError> {
    let local = || Some(SocketAddr::from((Ipv4Addr::LOCALHOST, text.parse::<u16>().ok()?)));
    let found = text.parse::<SocketAddr>().ok().or_else(local).filter(|address| address.port() > 0);
    found.ok_or_else(|| {
        CommandError::user(format!("{text} is no port to listen on"))
            .hint("Write 4242, 127.0.0.1:4242, 0.0.0.0:4242 or [::]:4242")
    })
}

/// One that is free at this moment.
fn free_port() -> Result<SocketAddr, CommandError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| CommandError::internal("No port of the host is free", error))
}

/// Who may connect, if nothing is said: the host itself. Elsewhere it has to be said.
fn allowed(listen: SocketAddr, allow: &[IpNet]) -> Result<Vec<IpNet>, CommandError> {
    match (listen.ip(), allow) {
        (_, [_, ..]) => Ok(allow.to_vec()),
        (IpAddr::V4(ip), []) if ip.is_loopback() => Ok(vec![network("127.0.0.0/8")?]),
        (IpAddr::V6(ip), []) if ip.is_loopback() => Ok(vec![network("::1/128")?]),
        _ => Err(CommandError::user(format!("{listen} can be reached from elsewhere: say who may"))
            .hint("For example --allow 192.0.2.0/24,198.51.100.7; for everybody --allow 0.0.0.0/0,::/0")),
    }
}

fn network(text: &str) -> Result<IpNet, CommandError> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>().ok().or_else(alone).ok_or_else(|| {
        CommandError::user(format!("{text} is neither an address nor a network"))
            .hint("Write for example 192.0.2.7 or 192.0.2.0/24")
    })
}

/// Closes the ports of the host that lead to a service
#[derive(Debug, Args)]
pub struct Unexpose {
    /// The service
    service: String,
}

impl Command for Unexpose {
    const NAME: &'static str = "service:unexpose";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        let (store, id) = (&context.app.store, service.record.id);
        if store.exposures(Some(id)).await?.is_empty() {
            return Err(CommandError::user(format!("Service {} is not exposed", service.record.name)));
        }
        store.set_exposures(id, Vec::new()).await?;
        expose::settle(&context.app).await?;
        store.note_service_event(id, &context.caller.name, "unexposed").await?;
        context.console().step(format!("Service {} unexposed", service.record.name)).await;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_itself_is_the_default_and_elsewhere_who_may_has_to_be_said() {
        assert_eq!(address("4242").unwrap().to_string(), "127.0.0.1:4242");
        assert_eq!(address("[::]:4242").unwrap().to_string(), "[::]:4242");
        for text in ["0", "x", "70000", "1.2.3.4", "1.2.3.4:0"] {
            assert!(address(text).is_err(), "{text}");
        }
        let local = allowed(address("4242").unwrap(), &[]).unwrap();
        assert_eq!(local, ["127.0.0.0/8".parse().unwrap()]);
        assert!(allowed(address("0.0.0.0:1").unwrap(), &[]).is_err());
        let own = network("192.0.2.7").unwrap();
        assert_eq!(allowed(address("0.0.0.0:1").unwrap(), &[own]).unwrap(), [own]);
        assert!(network("everybody").is_err());
    }
}
