//! What the faces (SSH, the Unix socket) need of the commands below them, and nothing more.

pub mod command_run;
pub mod keyboard;
pub mod stdin_queue;

use std::future::{Future, ready};

use tokio::net::TcpStream;

use crate::console::CommandIo;
use crate::model::role::Caller;

/// Runs commands for proven callers. The server implements it; the faces' own tests do too.
pub trait Commands: Clone + Send + Sync + 'static {
    /// Who holds the key with this SHA-256 fingerprint (`SHA256:…`), if it was added and not removed since.
    fn identify(&self, fingerprint: &str) -> impl Future<Output = Option<Caller>> + Send;

    /// A connection to a service by the name under which linked apps find it, if the caller may connect to it and it
    /// serves on that port.
    fn tunnel(
        &self,
        _caller: &Caller,
        _host: &str,
        _port: u16,
    ) -> impl Future<Output = Option<TcpStream>> + Send {
        // A face for plugins has no tunnels.
        ready(None)
    }

    /// Runs one command to its end and returns its exit status.
    ///
    /// `words` are the command's name and arguments, already split; empty means that the client asked for
    /// nothing (`ssh HOST`). Errors have been written to the console when this returns.
    fn execute(&self, caller: Caller, words: Vec<String>, io: CommandIo) -> impl Future<Output = u8> + Send;
}
