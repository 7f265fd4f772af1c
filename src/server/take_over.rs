//! The new server's side of a hand-over, from its start to the old one's word that the database is closed.

use std::error::Error;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use slipway_router::RouterHandle;
use slipway_router::listening_socket::ListeningSocket;
use slipway_router::tickets::TicketKeys;

use crate::docker::Engine;
use crate::handover::channel::{Channel, ChannelError};
use crate::handover::message::{FromNew, FromOld, PROTOCOL, SocketName};
use crate::settings::Settings;
use crate::socket::listener::CommandSocket;

use super::chain;
use super::standing::{Inherited, Standing};
use super::state::owner;

/// The stream to the old server, which is this process's standard input.
pub(super) fn stream() -> io::Result<Channel> {
    let stream = io::stdin().as_fd().try_clone_to_owned()?;
    // The old server would not see this one's end as long as a program that it starts has the stream.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let stream = UnixStream::from(stream);
    // Anything else than a socket has no peer.
    stream
        .peer_addr()
        .map_err(|_| io::Error::other("--take-over is for a running server to say, not for people"))?;
    Channel::new(stream)
}

/// Finds out whether this server can start, as far as that can be told while another one serves; then waits for that
/// one to hand over.
pub(super) async fn take_over(
    settings: Settings,
    binary: PathBuf,
    mut channel: Channel,
) -> Result<Standing, Box<dyn Error>> {
    let (standing, older) = match receive(settings, binary, &mut channel).await {
        Ok(received) => received,
        Err(error) => {
            // If the old server is gone, nobody wants to know.
            channel.send(&FromNew::Failed { reason: chain(error.as_ref()) }, &[]).await.ok();
            return Err(error);
        }
    };
    // The direct predecessor last, since it waits for this one anyway.
    for older in older {
        if let Err(error) = standing.predecessors.adopt(older).await {
            tracing::debug!(%error, "an even older server has just ended");
        }
    }
    standing.predecessors.adopt(channel).await?;
    Ok(standing)
}

async fn receive(
    settings: Settings,
    binary: PathBuf,
    channel: &mut Channel,
) -> Result<(Standing, Vec<Channel>), Box<dyn Error>> {
    Engine::connect(&settings.docker, owner(&settings.root)?).running().await?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    channel.send(&FromNew::Prepared { protocol: PROTOCOL, version }, &[]).await?;
    let mut passed = Passed::default();
    let tickets = loop {
        match channel.receive::<FromOld>().await? {
            (FromOld::Sockets { sockets }, descriptors) if sockets.len() == descriptors.len() => {
                for (name, descriptor) in sockets.into_iter().zip(descriptors) {
                    passed.take(name, descriptor)?;
                }
            }
            (FromOld::Go { tickets }, _) => break tickets,
            _ => return Err(ChannelError::Form.into()),
        }
    };
    let command = CommandSocket {
        socket: passed.command.ok_or("the old server passes on no socket for commands")?,
        lock: passed.lock.ok_or("the old server passes on no lock")?,
    };
    let mut standing = Standing::new(settings, binary, command, passed.inherited)?;
    standing.is_awaited = true;
    if let Some(Err(error)) = tickets.map(|tickets| import(&tickets, &standing.router)) {
        tracing::warn!(error, "clients cannot resume their TLS sessions");
    }
    Ok((standing, passed.predecessors))
}

/// Has clients of the old server resume their TLS sessions. Without its keys they make a handshake in full.
fn import(tickets: &str, router: &RouterHandle) -> Result<(), Box<dyn Error>> {
    Ok(router.import_ticket_keys(&TicketKeys::from_bytes(BASE64_STANDARD.decode(tickets)?))?)
}

/// What has come so far.
#[derive(Default)]
struct Passed {
    command: Option<UnixListener>,
    lock: Option<File>,
    inherited: Inherited,
    predecessors: Vec<Channel>,
}

impl Passed {
    fn take(&mut self, name: SocketName, descriptor: OwnedFd) -> io::Result<()> {
        match name {
            SocketName::Command => self.command = Some(descriptor.into()),
            SocketName::Lock => self.lock = Some(descriptor.into()),
            SocketName::Ssh => self.inherited.ssh = Some(TcpListener::from(descriptor)),
            SocketName::Router(entrance) => {
                let socket = TcpListener::from(descriptor);
                self.inherited.router.push(ListeningSocket { entrance, socket });
            }
            SocketName::Predecessor => self.predecessors.push(Channel::new(UnixStream::from(descriptor))?),
        }
        Ok(())
    }
}
