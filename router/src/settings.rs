//! What can be set about the router as a whole. Every field has a working default; what is an app's is in `policy`.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::trust::Trust;

/// The router's settings.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// Where plain HTTP is served; `[::]` is all addresses of both families. Port 0 takes a free one; `BoundRouter::http_address` says which.
    pub listen: SocketAddr,
    /// Where HTTPS is served; not at all if unset.
    pub listen_https: Option<SocketAddr>,
    /// Whose word on who asks is taken; `RouterHandle::set_trust` replaces it.
    pub trust: Trust,
    /// Worker threads; as many as the machine has cores if unset.
    pub workers: Option<NonZeroUsize>,
    /// The deadlines of a client's connection.
    pub timeouts: Timeouts,
    /// How many requests wait for an app that is starting, and for how long.
    pub waiting: Waiting,
    /// Bytes that a request's line and headers may have together. At least 8 KiB.
    pub max_head_bytes: usize,
    /// TLS handshakes that one worker has under way at a time; beyond that the oldest of them ends.
    pub max_handshakes: usize,
    /// Where buffered bodies are kept that are too large for memory, in files without names.
    pub buffer_directory: PathBuf,
    /// Connections that clients may have in all; more wait in the kernel's queue. Three quarters of the descriptors that
    /// the process may have if unset: who takes the last of them leaves none for connections to instances.
    pub max_connections: Option<usize>,
    /// Connections that one client address may have; no limit if unset. Addresses of IPv6 count by their first 64 bits.
    pub max_connections_per_address: Option<NonZeroU32>,
    /// Idle connections kept to one instance by one worker.
    pub max_idle_connections: usize,
    /// What cookies of the router's own are signed with: the same for all routers that share clients, and after a
    /// restart. A random one if unset.
    pub signing_key: Option<SigningKey>,
}

/// A key for signatures. It is never shown.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Takes 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A key that nobody else has.
    pub(crate) fn random() -> Self {
        Self::new(&rand::random())
    }

    /// The key itself.
    pub(crate) fn key(&self) -> &hmac::Key {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Limits on requests that wait because their app has no instance just now.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// How many of one app may wait.
    pub requests: usize,
    /// How long one of them waits.
    pub time: Duration,
}

/// The deadlines of a client's connection; those of a request are its app's (`policy::timeouts`).
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a TLS handshake, from the connection to its end.
    pub handshake: Duration,
    /// For a request's line and headers, from their first byte to their last.
    pub head: Duration,
    /// How long a client's connection may rest between two requests.
    pub keep_alive: Duration,
    /// For a client that has stopped reading.
    pub write: Duration,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 80)),
            listen_https: None,
            trust: Trust::default(),
            workers: None,
            timeouts: Timeouts::default(),
            waiting: Waiting::default(),
            max_head_bytes: 64 << 10,
            max_handshakes: 1024,
            buffer_directory: std::env::temp_dir(),
            max_connections: None,
            max_connections_per_address: None,
            max_idle_connections: 64,
            signing_key: None,
        }
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self { requests: 256, time: Duration::from_secs(30) }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            keep_alive: Duration::from_secs(75),
            write: Duration::from_secs(300),
        }
    }
}
