//! Sockets that listen: how they are opened, and how they are given to another router, usually one in another process.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::table::Entrance;

/// Connections that may wait to be accepted. The kernel may allow fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// Idle clients are asked after a minute whether they still exist.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A socket that listens, and for what. Clients in its queue are the next one's who accepts.
#[derive(Debug)]
pub struct ListeningSocket {
    /// What it is the way in to.
    pub entrance: Entrance,
    /// The socket.
    pub socket: TcpListener,
}

impl ListeningSocket {
    /// A second handle on the same socket.
    pub fn share(&self) -> io::Result<Self> {
        Ok(Self { entrance: self.entrance, socket: self.socket.try_clone()? })
    }

    /// Whether it is where the settings want one: at that address, or at any port if they name none.
    pub(crate) fn fits(&self, entrance: Entrance, wanted: SocketAddr) -> bool {
        let fits = |address: SocketAddr| {
            // systemd opens `[::]` where a person writes only a port, and that takes IPv4 as well.
            let same_ip = address.ip() == wanted.ip()
                || (address.ip().is_unspecified() && wanted.ip().is_unspecified());
            same_ip && (wanted.port() == 0 || address.port() == wanted.port())
        };
        self.entrance == entrance && self.socket.local_addr().is_ok_and(fits)
    }
}

/// Opens a socket and listens, without waiting in `accept`. `[::]` takes IPv4 as well, and is all of IPv4 where the host
/// has no IPv6.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    with_fallback(address, listen_exactly)
}

fn listen_exactly(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A port may be taken again while old connections on it are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit both on Linux, which saves system calls on each of them.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEP_ALIVE))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Binds all of IPv4 where all of both families was wanted and the host has no IPv6.
fn with_fallback<T>(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match bind(address) {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_without_ipv6(&error) => {
            let instead = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tracing::info!(%address, %instead, "this host has no IPv6, so this is listened on with IPv4 alone");
            bind(instead)
        }
        result => result,
    }
}

/// Whether the kernel has no IPv6, or was told to do without it.
fn is_without_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it is bound on a host whose answer for IPv6 is an error with this number.
    fn bound(address: &str, number: i32) -> io::Result<SocketAddr> {
        let bind = |address: SocketAddr| match address {
            SocketAddr::V4(_) => Ok(address),
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(number)),
        };
        with_fallback(address.parse().unwrap(), bind)
    }

    #[test]
    fn a_host_without_ipv6_is_listened_on_with_ipv4() {
        const EADDRINUSE: i32 = 98;
        const EADDRNOTAVAIL: i32 = 99;
        const EAFNOSUPPORT: i32 = 97;
        for missing in [EAFNOSUPPORT, EADDRNOTAVAIL] {
            assert_eq!(bound("[::]:80", missing).unwrap().to_string(), "0.0.0.0:80");
            assert!(
                bound("[::1]:80", missing).is_err(),
                "an address that was asked for by name is not replaced"
            );
        }
        assert!(bound("[::]:80", EADDRINUSE).is_err(), "who has the port has it for IPv4 as well");
    }
}
