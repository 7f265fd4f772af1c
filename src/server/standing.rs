//! What stands while terms of the server change: the sockets, the router, and the servers that were replaced.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use slipway_router::access_log::AccessRecords;
use slipway_router::listening_socket::{ListeningSocket, listen};
use slipway_router::settings::{RouterSettings, SigningKey, Waiting};
use slipway_router::table::Entrance;
use slipway_router::{BoundRouter, Router, RouterHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::handover::notify::{News, notify};
use crate::handover::predecessors::Predecessors;
use crate::settings::Settings;
use crate::settings::https::HttpsListen;
use crate::socket::listener::{CommandSocket, Listener};
use crate::store::{Store, StoreError};

use super::listen_fds::{self, Purpose};
use super::taken::CannotListen;

/// What one term of the server leaves to the next, be it in this process or in another.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) settings: Settings,
    /// The program, as it was called; what is there by now may be a newer one.
    pub(super) binary: PathBuf,
    pub(super) sockets: Sockets,
    pub(super) router: RouterHandle,
    /// Of the requests; `None` while a term writes them.
    pub(super) records: Option<AccessRecords>,
    pub(super) predecessors: Predecessors,
    /// Whether a server has handed over and waits to hear that this one serves.
    pub(super) is_awaited: bool,
    /// SIGUSR2: another server is to take over.
    pub(super) asked: Signal,
    /// Cancelled when the process is to end.
    pub(super) stop: CancellationToken,
}

/// The sockets of the faces.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) command: CommandSocket,
    pub(super) ssh: TcpListener,
}

/// What `listen.json` tells install.sh and tests: where the server really listens.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Listening {
    pub(super) ssh: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) https: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) pid: u32,
}

/// Sockets that listen already.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    pub(super) ssh: Option<TcpListener>,
    pub(super) router: Vec<ListeningSocket>,
}

impl Standing {
    /// Takes the root and the sockets, or those that systemd has. Fails if another server has the root.
    pub(super) async fn alone(settings: Settings, binary: PathBuf) -> Result<Self, Box<dyn Error>> {
        // First of all, so that a second server on the same root changes nothing.
        let command = Listener::bind(&settings.socket()).await?.into_socket()?;
        let mut inherited = Inherited::default();
        for (purpose, socket) in listen_fds::take() {
            match purpose {
                Purpose::Ssh => inherited.ssh = Some(socket),
                Purpose::Http => inherited.router.push(ListeningSocket { entrance: Entrance::Http, socket }),
                Purpose::Https => {
                    inherited.router.push(ListeningSocket { entrance: Entrance::Https, socket })
                }
            }
        }
        Self::new(settings, binary, command, inherited)
    }

    /// Puts it together from sockets that listen already; those that are missing are opened.
    pub(super) fn new(
        settings: Settings,
        binary: PathBuf,
        command: CommandSocket,
        inherited: Inherited,
    ) -> Result<Self, Box<dyn Error>> {
        let wanted = settings.ssh_listen;
        let ssh = match inherited.ssh.filter(|socket| fits(socket, wanted)) {
            Some(socket) => socket,
            None => listen(wanted).map_err(|error| CannotListen::new(wanted, "ssh-listen", &error))?,
        };
        let (router, records) = bind_router(&settings, inherited.router)?.start_closed()?;
        Ok(Self {
            settings,
            binary,
            sockets: Sockets { command, ssh },
            router,
            records: Some(records),
            predecessors: Predecessors::default(),
            is_awaited: false,
            asked: signal(SignalKind::user_defined2())?,
            stop: CancellationToken::new(),
        })
    }

    /// Where it listens.
    pub(super) fn listening(&self) -> Result<Listening, Box<dyn Error>> {
        let sockets = self.router.listening_sockets()?;
        let address = |entrance| {
            let socket = sockets.iter().find(|socket| socket.entrance == entrance);
            socket.map(|socket| socket.socket.local_addr()).transpose()
        };
        Ok(Listening {
            ssh: self.sockets.ssh.local_addr()?,
            http: address(Entrance::Http)?.ok_or("the router has no port for HTTP")?,
            https: address(Entrance::Https)?,
            metrics: None,
            pid: std::process::id(),
        })
    }

    /// Tells systemd that the service serves, and has it keep the sockets over a restart.
    pub(super) fn announce(&self) -> Result<(), Box<dyn Error>> {
        // Those that it keeps may be at addresses that were changed since.
        for purpose in [Purpose::Http, Purpose::Https, Purpose::Ssh] {
            notify(News::Forget(purpose.name()));
        }
        for ListeningSocket { entrance, socket } in self.router.listening_sockets()? {
            match entrance {
                Entrance::Http => notify(News::Keep(Purpose::Http.name(), socket.as_fd())),
                Entrance::Https => notify(News::Keep(Purpose::Https.name(), socket.as_fd())),
                Entrance::Port(_) | Entrance::EncryptedPort(_) => {}
            }
        }
        notify(News::Keep(Purpose::Ssh.name(), self.sockets.ssh.as_fd()));
        notify(News::Ready);
        Ok(())
    }
}

impl Sockets {
    /// A second handle on each.
    pub(super) fn share(&self) -> std::io::Result<Self> {
        let command =
            CommandSocket { socket: self.command.socket.try_clone()?, lock: self.command.lock.try_clone()? };
        Ok(Self { command, ssh: self.ssh.try_clone()? })
    }

    /// Second handles, to be given to another server: the socket for commands, the lock, the socket for SSH.
    pub(super) fn descriptors(&self) -> std::io::Result<[OwnedFd; 3]> {
        Ok([
            self.command.socket.as_fd().try_clone_to_owned()?,
            self.command.lock.as_fd().try_clone_to_owned()?,
            self.ssh.as_fd().try_clone_to_owned()?,
        ])
    }
}

/// Whether a socket is where the settings want one: at that address, or at any port if they name none.
fn fits(socket: &TcpListener, wanted: SocketAddr) -> bool {
    let fits = |address: SocketAddr| {
        let same_ip =
            address.ip() == wanted.ip() || (address.ip().is_unspecified() && wanted.ip().is_unspecified());
        same_ip && (wanted.port() == 0 || address.port() == wanted.port())
    };
    socket.local_addr().is_ok_and(fits)
}

/// Takes the router's ports. HTTPS that nobody asked for gives way to whoever has its port already.
fn bind_router(settings: &Settings, sockets: Vec<ListeningSocket>) -> Result<BoundRouter, Box<dyn Error>> {
    let wanted = router_settings(settings)?;
    let again = sockets.iter().map(ListeningSocket::share).collect::<Result<_, _>>()?;
    let error = match Router::take_over(wanted.clone(), sockets) {
        Ok(bound) => return Ok(bound),
        Err(error) => error,
    };
    let https = wanted.listen_https;
    let Some(cannot) = CannotListen::of_router(&error, https) else { return Err(error.into()) };
    if settings.https_listen != HttpsListen::BesideHttp || https != Some(cannot.address()) {
        return Err(cannot.into());
    }
    tracing::warn!(
        address = %cannot.address(),
        reason = cannot.reason(),
        "no HTTPS, as its port cannot be had: free it and restart the server, or set https-listen to another address or \
         to off"
    );
    Ok(Router::take_over(RouterSettings { listen_https: None, ..wanted }, again)?)
}

fn router_settings(settings: &Settings) -> Result<RouterSettings, StoreError> {
    let signing_key = SigningKey::new(&Store::derive_key(&settings.root, "router: signed cookies")?);
    Ok(RouterSettings {
        signing_key: Some(signing_key),
        listen: settings.http_listen,
        listen_https: settings.https_listen.address(settings.http_listen),
        trust: settings.router.trust(),
        // Not the host's own directory for such files, which is often memory.
        buffer_directory: settings.root.clone(),
        max_connections_per_address: settings.router.connections_per_address,
        waiting: Waiting {
            requests: settings.router.waiting_requests,
            time: Duration::from_secs(settings.router.waiting_seconds),
        },
        ..RouterSettings::default()
    })
}
