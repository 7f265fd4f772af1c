//! The `slipway` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipway::cli::main(serve)
}

/// Stands for `server::run`, which does not exist yet.
fn serve() -> ExitCode {
    ExitCode::FAILURE
}
