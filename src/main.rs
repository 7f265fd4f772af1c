//! The `slipway` binary: the server, its client on the host, and git's hook.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipway::cli::main(slipway::server::run)
}
