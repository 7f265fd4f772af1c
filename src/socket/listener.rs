//! Binds the Unix socket and lets clients in whom the kernel vouches for.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Uid, geteuid};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::console::door::{Door, Presence};
use crate::face::Commands;
use crate::model::role::Caller;
use crate::socket::connection::{send_away, serve};

/// The longest pause after an error of `accept`.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A socket that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another server serves the same root.
    #[error("another server is running on {}; stop it first, or choose another SLIPWAY_ROOT", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("cannot listen on {}", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Held for as long as this server has the root: two that start at the same moment cannot both get it.
    lock: Option<File>,
    door: Door,
    guests: Guests,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guests {
    /// Root and the server's own user, who are the host.
    Host,
    /// Everybody, as somebody who may do nothing: what they bring says who they are.
    Anybody,
}

/// What another server needs to listen in this one's place.
#[derive(Debug)]
pub struct CommandSocket {
    /// The socket.
    pub socket: std::os::unix::net::UnixListener,
    /// The lock of the root. It is free when all who have a handle on it are gone.
    pub lock: File,
}

impl Listener {
    /// Binds the socket with mode 0600. A socket on which nobody answers is what a killed server left, and is
    /// replaced; any other is not. The directory is made if it is missing.
    pub async fn bind(path: &Path) -> Result<Self, ListenError> {
        let bind_error = |source| ListenError::Bind { path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(bind_error)?;
        }
        let lock = File::create(path.with_extension("lock")).map_err(bind_error)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ListenError::Taken { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(bind_error(source)),
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(ListenError::Taken { path: path.to_owned() });
        }
        let socket = bind_with(path, 0o600).map_err(bind_error)?;
        let (lock, door) = (Some(lock), Door::default());
        Ok(Self { socket, path: path.to_owned(), lock, door, guests: Guests::Host })
    }

    /// Binds a socket that everybody may connect to. Whoever does is nobody to the commands.
    pub fn open(path: &Path, door: Door) -> Result<Self, ListenError> {
        let bind_error = |source| ListenError::Bind { path: path.to_owned(), source };
        let socket = bind_with(path, 0o666).map_err(bind_error)?;
        Ok(Self { socket, path: path.to_owned(), lock: None, door, guests: Guests::Anybody })
    }

    /// Takes over a socket that listens already, with a door at which clients are counted.
    pub fn adopt(path: &Path, socket: CommandSocket, door: Door) -> Result<Self, ListenError> {
        let bind_error = |source| ListenError::Bind { path: path.to_owned(), source };
        socket.socket.set_nonblocking(true).map_err(bind_error)?;
        let listening = UnixListener::from_std(socket.socket).map_err(bind_error)?;
        let (lock, guests) = (Some(socket.lock), Guests::Host);
        Ok(Self { socket: listening, path: path.to_owned(), lock, door, guests })
    }

    /// What it takes to listen here elsewhere.
    pub fn into_socket(self) -> io::Result<CommandSocket> {
        let lock = self.lock.ok_or_else(|| io::Error::other("no lock goes with this socket"))?;
        Ok(CommandSocket { socket: self.socket.into_std()?, lock })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves until `shutdown` is cancelled; then lets running commands finish within `patience`, or for as long as the
    /// door says if another server has it, and ends the connections that are left.
    pub async fn run<C: Commands>(self, commands: C, shutdown: CancellationToken, patience: Duration) {
        let connections = TaskTracker::new();
        let stop = CancellationToken::new();
        // Clients are let in during the shutdown too: a push that is being finished needs its hook's connection.
        let finished = async {
            shutdown.cancelled().await;
            connections.close();
            timeout(self.door.patience().unwrap_or(patience), connections.wait()).await
        };
        tokio::select! {
            () = accept((&self.socket, &self.door, self.guests), &commands, &connections, &stop) => {}
            finished = finished => if finished.is_err() {
                warn!(commands = connections.len(), "commands on the socket were cut off by the shutdown");
            }
        }
        stop.cancel();
        connections.wait().await;
        if self.door.patience().is_none()
            && let Err(error) = fs::remove_file(&self.path)
        {
            debug!(%error, "the socket was removed by somebody else");
        }
    }
}

/// Makes the socket under another name first, so that nobody finds it with the wrong mode.
fn bind_with(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let new = path.with_extension("sock.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(&new)?;
    fs::set_permissions(&new, Permissions::from_mode(mode))?;
    fs::rename(&new, path)?;
    Ok(socket)
}

/// Accepts clients for ever: an error is logged and waited out.
async fn accept<C: Commands>(
    (socket, door, guests): (&UnixListener, &Door, Guests),
    commands: &C,
    connections: &TaskTracker,
    stop: &CancellationToken,
) {
    let mut pause = Duration::from_millis(5);
    loop {
        let accepted = match guests {
            // Somebody who was let in waits for what they do.
            Guests::Anybody => socket.accept().await,
            Guests::Host => {
                door.opened().await;
                tokio::select! {
                    accepted = socket.accept() => accepted,
                    () = door.shut() => continue,
                }
            }
        };
        match accepted {
            Ok((stream, _)) => {
                pause = Duration::from_millis(5);
                let client = admit(stream, guests, commands.clone(), door.enter());
                connections.spawn(stop.clone().run_until_cancelled_owned(client));
            }
            Err(error) => {
                warn!(%error, pause_ms = pause.as_millis(), "cannot accept clients on the socket");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Serves a client if it may be here: as the host if its process belongs to root or to the server's own user.
async fn admit<C: Commands>(stream: UnixStream, guests: Guests, commands: C, presence: Presence) {
    match stream.peer_cred() {
        Ok(peer) if guests == Guests::Anybody || is_host(Uid::from_raw(peer.uid())) => {
            let caller = if guests == Guests::Anybody { Caller::nobody() } else { Caller::host() };
            if let Err(error) = serve(stream, caller, commands, presence).await {
                debug!(error = &error as &dyn std::error::Error, "a client on the socket was not served");
            }
        }
        Ok(peer) => {
            warn!(uid = peer.uid(), "a stranger on the socket");
            send_away(stream, "Only root and the server's own user may use the socket.").await;
        }
        Err(error) => warn!(%error, "a client on the socket that nobody vouches for"),
    }
}

fn is_host(user: Uid) -> bool {
    user.is_root() || user == geteuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_private_and_a_second_server_is_turned_away() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("below/slipway.sock");
        let first = Listener::bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = Listener::bind(&path).await.unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }), "{error}");
        drop(first);
        Listener::bind(&path).await.unwrap();
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("slipway.sock");
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(Listener::bind(&path).await, Err(ListenError::Taken { .. })));
        drop(other);
        assert!(path.exists());
        Listener::bind(&path).await.unwrap();
    }

    #[test]
    fn only_root_and_the_own_user_are_the_host() {
        assert!(is_host(Uid::from_raw(0)));
        assert!(is_host(geteuid()));
        assert!(!is_host(Uid::from_raw(65534)));
    }
}
