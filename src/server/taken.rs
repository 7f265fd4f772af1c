//! Addresses that cannot be had, in words that help: who has them, and what to do.

use std::io;
use std::net::SocketAddr;

use slipway_router::RouterError;

use crate::upkeep::sockets;

/// An address of the settings on which the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}\n{fix}")]
pub(super) struct CannotListen {
    address: SocketAddr,
    reason: String,
    fix: String,
}

impl CannotListen {
    /// Finds out what there is to know. `setting` is the one that says the address.
    pub(super) fn new(address: SocketAddr, setting: &str, error: &io::Error) -> Self {
        let elsewhere = format!("set {setting} in slipway.toml to another address");
        let (reason, fix) = match error.kind() {
            io::ErrorKind::AddrInUse => match sockets::holder(address.port()) {
                Some(holder) => (format!("{holder} has the port"), format!("Stop {holder}, or {elsewhere}")),
                None => {
                    let look = format!("`ss -ltnp 'sport = :{}'`", address.port());
                    let fix = format!("Stop what {look} shows as root, or {elsewhere}");
                    ("another process has the port".to_owned(), fix)
                }
            },
            io::ErrorKind::PermissionDenied => (
                error.to_string(),
                format!("Ports below 1024 take root, or CAP_NET_BIND_SERVICE: grant that, or {elsewhere}"),
            ),
            io::ErrorKind::AddrNotAvailable => {
                (error.to_string(), format!("Give this host the address, or {elsewhere}"))
            }
            _ => (error.to_string(), format!("Mend that, or {elsewhere}")),
        };
        Self { address, reason, fix }
    }

    /// The same for an address that the router could not have; HTTP's, if it is not this one.
    pub(super) fn of_router(error: &RouterError, https: Option<SocketAddr>) -> Option<Self> {
        let RouterError::Bind { address, source } = error else { return None };
        let setting = if https == Some(*address) { "https-listen" } else { "http-listen" };
        Some(Self::new(*address, setting, source))
    }

    /// The address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why, in one line.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_that_is_taken_names_its_holder_and_the_last_line_is_the_fix() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        let said = CannotListen::new(address, "https-listen", &error).to_string();
        let (first, last) = said.split_once('\n').unwrap();
        let own = format!("(process {})", std::process::id());
        assert!(first.starts_with(&format!("cannot listen on {address}: ")), "{said}");
        assert!(first.contains(&own) && first.ends_with("has the port"), "{said}");
        assert!(last.starts_with("Stop ") && last.contains(&own), "{said}");
        assert!(last.ends_with("set https-listen in slipway.toml to another address"), "{said}");
    }

    #[test]
    fn an_address_of_another_host_says_so() {
        let address = "192.0.2.1:80".parse().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        let said = CannotListen::new(address, "http-listen", &error).to_string();
        assert!(
            said.ends_with(
                "Give this host the address, or set http-listen in slipway.toml to another address"
            )
        );
    }
}
