//! How `git` is called: always hermetically, always with arguments.
//!
//! The host's configuration, whoever started the server and whatever lies in a home directory must not change what
//! a push or a fetch does, so `git` sees none of it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::git::error::GitError;
use crate::process::{Finished, Program, RunLimits};

/// Problems that `git fsck` finds in many old, widely used histories and that harm nobody. Checking objects on
/// receipt has to let them pass, or those projects could not be deployed at all. Forges ignore the same ones.
const HARMLESS_PROBLEMS: [&str; 4] =
    ["badTimezone", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "zeroPaddedFilemode"];

/// `git`, run in a directory, without any configuration but what its command line says.
pub(super) fn git(directory: &Path) -> Program {
    Program::new("git", directory)
        // Neither /etc/gitconfig nor anybody's ~/.gitconfig.
        .variable("GIT_CONFIG_NOSYSTEM", "1")
        .variable("GIT_CONFIG_GLOBAL", "/dev/null")
        // Nobody sits there to answer a question.
        .variable("GIT_TERMINAL_PROMPT", "0")
        // Repositories belong to the server's user; a backup that was restored by root may not.
        .arguments(["-c", "safe.directory=*"])
        // A repository never brings hooks of its own; the one hook that is wanted is set where it is wanted.
        .arguments(["-c", "core.hooksPath=/dev/null"])
        // Collecting garbage takes long and would outlive the command: it is done on its own, see `collect_garbage`.
        .arguments(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
        // Objects and references are on the disk before anybody is told that they are; one flush for all loose ones.
        .arguments(["-c", "core.fsync=committed,reference", "-c", "core.fsyncMethod=batch"])
        // Large files are not worth searching for deltas, and this bounds the memory for one object.
        .arguments(["-c", "core.bigFileThreshold=32m"])
}

/// Flags that make a command check every object that it is given, before anything can refer to it.
pub(super) fn check_objects(program: Program, command: &'static str) -> Program {
    let program = program.argument("-c").argument(format!("{command}.fsckObjects=true"));
    HARMLESS_PROBLEMS.iter().fold(program, |program, problem| {
        program.argument("-c").argument(format!("{command}.fsck.{problem}=ignore"))
    })
}

/// Runs `git` to its end and makes its failure an error.
pub(super) async fn run(
    program: &Program,
    action: &'static str,
    time: Duration,
) -> Result<Finished, GitError> {
    run_with_input(program, action, time, Bytes::new()).await
}

/// Like [`run`], with something to read.
pub(super) async fn run_with_input(
    program: &Program,
    action: &'static str,
    time: Duration,
    input: Bytes,
) -> Result<Finished, GitError> {
    let finished = program.run(input, RunLimits { time, output_bytes: 1 << 20 }).await?;
    if finished.status.success() {
        Ok(finished)
    } else {
        Err(GitError::Command { action, message: finished.last_words() })
    }
}
