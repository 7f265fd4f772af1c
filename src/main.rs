//! The `slipway` binary: the server, its client on the host, git's hook, and what tests buildpacks.

use std::process::ExitCode;

use slipway::cli::Roles;

fn main() -> ExitCode {
    slipway::cli::main(Roles {
        serve: slipway::server::run,
        test: slipway::trial::main,
        webhook: slipway::webhook::main,
        confined: slipway::process::confined::main,
    })
}
