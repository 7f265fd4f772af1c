//! The `slipway` binary: the server, its client on the host, git's hook, and what tests buildpacks.

use std::process::ExitCode;

use slipway::cli::Roles;

/// The C library's takes three times as long for what requests allocate, and gives what thousands of connections had
/// back to nobody.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    slipway::cli::main(Roles {
        serve: slipway::server::run,
        test: slipway::trial::main,
        webhook: slipway::webhook::main,
        confined: slipway::process::confined::main,
    })
}
