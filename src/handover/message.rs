//! The messages of a hand-over, in the order in which they are sent.
//!
//! ```text
//! old                                         new
//!   starts it ──────────────────────────────▶ checks its settings, the engine, its keys
//!   waits until nobody needs the database ◀── Prepared
//!   closes the database, serves on
//!   Sockets, Sockets, …, Go ────────────────▶ opens the database, publishes, accepts
//!   Holding ◀────────────────────── Adopted
//!   stops accepting ◀─────────────────────── Serving
//!   Drained ◀──────────────────────── Drain   for as long as there are connections
//! ```

use serde::{Deserialize, Serialize};
use slipway_router::table::Entrance;

/// What both sides have to agree on. Fields may be added without another number, messages may not.
pub const PROTOCOL: u32 = 1;

/// What the new server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum FromNew {
    /// It has found nothing that keeps it from starting.
    Prepared {
        /// [`PROTOCOL`], as it knows it.
        protocol: u32,
        /// Its version.
        version: String,
    },
    /// It cannot start.
    Failed {
        /// Why, for a person.
        reason: String,
    },
    /// It looks after the other's connections from now on.
    Adopted,
    /// It accepts. The other need not any more.
    Serving,
    /// Nothing more is to be sent to these containers, and what is under way is to be waited for.
    Drain {
        /// Names the answer.
        number: u64,
        /// The containers' ids.
        containers: Vec<String>,
        /// For how long at most.
        milliseconds: u64,
    },
}

/// What the old server says. It may hold keys, so that it cannot be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum FromOld {
    /// Sockets, as many as descriptors come along.
    Sockets {
        /// What each is.
        sockets: Vec<SocketName>,
    },
    /// The database is closed.
    Go {
        /// The keys of TLS tickets, if clients are to resume their sessions.
        tickets: Option<String>,
    },
    /// The one-off containers whose clients it serves: all of them, each time that it says so.
    Holding {
        /// Their names.
        one_offs: Vec<String>,
    },
    /// The answer to a drain.
    Drained {
        /// Whose.
        number: u64,
        /// Containers with something still under way.
        busy: Vec<String>,
    },
}

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketName {
    /// The Unix socket for commands.
    Command,
    /// The lock of the root: a file.
    Lock,
    /// The socket for SSH.
    Ssh,
    /// A socket of the router's.
    Router(Entrance),
    /// The stream to an even older server that still has connections.
    Predecessor,
}
