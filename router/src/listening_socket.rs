//! A listening socket that is given to another router, usually one in another process.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::table::Entrance;

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
