//! Sockets that systemd has opened or kept for this process (`sd_listen_fds(3)`).

use std::env;
use std::net::TcpListener;

use listenfd::ListenFd;

/// What systemd calls a socket: `FileDescriptorName=` in a `.socket` unit, or the name under which it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Http,
    Https,
    Ssh,
}

impl Purpose {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ssh => "ssh",
        }
    }
}

/// Takes the sockets that were passed on. Those with other names are closed, which is logged.
pub(super) fn take() -> Vec<(Purpose, TcpListener)> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = ListenFd::from_env();
    let mut taken = Vec::new();
    for (index, name) in names.split(':').enumerate().take(passed.len()) {
        let purpose =
            [Purpose::Http, Purpose::Https, Purpose::Ssh].into_iter().find(|known| known.name() == name);
        match (purpose, passed.take_tcp_listener(index)) {
            (Some(purpose), Ok(Some(socket))) => taken.push((purpose, socket)),
            (None, Ok(_)) => {
                tracing::warn!(name, "systemd passes on a socket that is not for http, https or ssh")
            }
            (_, Ok(None)) => {}
            (_, Err(error)) => {
                tracing::warn!(name, %error, "systemd passes on what is no listening TCP socket")
            }
        }
    }
    taken
}
