//! The server's side of a push, a fetch and an archive: the real `git`, one process for each.
//!
//! The caller copies bytes between the client and the process. Dropping the process ends it with everything that
//! it started, the hook included.

use std::path::PathBuf;

use crate::git::command::{check_objects, git};
use crate::git::error::GitError;
use crate::git::repositories::Repositories;
use crate::model::app_name::AppName;
use crate::process::{Process, Program};

/// The variable by which the hook proves to the server which push it belongs to.
pub const PUSH_TOKEN: &str = "SLIPWAY_PUSH_TOKEN";
/// The variable that names the server's socket to the hook.
pub const SOCKET: &str = "SLIPWAY_SOCKET";
/// The variable that names the server's root to the hook.
pub const ROOT: &str = "SLIPWAY_ROOT";

/// What a client can ask of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// `git push`.
    ReceivePack,
    /// `git clone`, `fetch` and `pull`.
    UploadPack,
    /// `git archive --remote`.
    UploadArchive,
}

/// How a service is run for one client.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// The client's `GIT_PROTOCOL`, as it sent it.
    pub git_protocol: Option<String>,
    /// What the hook shows to the server; a push without one is refused by the hook.
    pub push_token: Option<String>,
    /// The server's socket.
    pub socket: PathBuf,
    /// The most bytes that a push may send; 0 for any number.
    pub max_input_bytes: u64,
}

impl ServiceKind {
    /// The service that a client asks for by its command: `git-receive-pack` or `git receive-pack`.
    pub fn from_command(command: &str) -> Option<Self> {
        match command.strip_prefix("git-").or_else(|| command.strip_prefix("git "))? {
            "receive-pack" => Some(Self::ReceivePack),
            "upload-pack" => Some(Self::UploadPack),
            "upload-archive" => Some(Self::UploadArchive),
            _ => None,
        }
    }

    /// Whether the service changes the repository.
    pub fn writes(self) -> bool {
        self == Self::ReceivePack
    }

    fn subcommand(self) -> &'static str {
        match self {
            Self::ReceivePack => "receive-pack",
            Self::UploadPack => "upload-pack",
            Self::UploadArchive => "upload-archive",
        }
    }
}

impl Repositories {
    /// Starts a service on an app's repository, which has to exist.
    pub fn service(
        &self,
        kind: ServiceKind,
        app: &AppName,
        options: &ServiceOptions,
    ) -> Result<Process, GitError> {
        // Absolute, since that is what the process gets both as its directory and as an argument.
        let path = std::path::absolute(self.path(app)).map_err(GitError::files("find", self.path(app)))?;
        let mut program = git(&path);
        // What the server keeps for itself (`refs/slipway/`) is neither shown nor taken.
        program = program.arguments(["-c", "transfer.hideRefs=refs/slipway"]);
        program = match kind {
            ServiceKind::ReceivePack => self.receive_pack(program, options),
            ServiceKind::UploadPack => upload_pack(program),
            ServiceKind::UploadArchive => program,
        };
        if let Some(protocol) = options.git_protocol.as_deref().filter(|protocol| is_protocol(protocol)) {
            program = program.variable("GIT_PROTOCOL", protocol);
        }
        Ok(program.argument(kind.subcommand()).argument(path).start()?)
    }

    fn receive_pack(&self, program: Program, options: &ServiceOptions) -> Program {
        let mut program = check_objects(program, "receive")
            // The one hook, from one place for all repositories: none can bring its own.
            .argument("-c")
            .argument(format!("core.hooksPath={}", self.hooks().display()))
            // Ends the transfer as soon as the pack is too large, rather than after it has filled the disk.
            .argument("-c")
            .argument(format!("receive.maxInputSize={}", options.max_input_bytes))
            // `git push -o KEY=VALUE`: the hook gets them as variables.
            .arguments(["-c", "receive.advertisePushOptions=true"])
            // CI clones with `--depth 1`; a deploy needs one commit's tree, not its history.
            .arguments(["-c", "receive.shallowUpdate=true"])
            // Whether a branch may be deleted or moved back is decided by the hook, which says what to do instead.
            .arguments(["-c", "receive.denyDeletes=false", "-c", "receive.denyDeleteCurrent=ignore"])
            .arguments(["-c", "receive.denyNonFastForwards=false"])
            // Packs are kept as they come: unpacking a few large files takes longer than receiving them. They are
            // collected after the push, when nobody waits.
            .arguments(["-c", "receive.unpackLimit=1", "-c", "receive.autogc=false"])
            // A client whose key was taken away while it pushes is noticed: something is sent at least every 5 s.
            .arguments(["-c", "receive.keepAlive=5"])
            .variable(ROOT, &self.root)
            .variable(SOCKET, &options.socket);
        if let Some(token) = &options.push_token {
            program = program.variable(PUSH_TOKEN, token);
        }
        program
    }
}

fn upload_pack(program: Program) -> Program {
    program
        // `git clone --filter=blob:none`: less to send.
        .arguments(["-c", "uploadpack.allowFilter=true"])
        // The commit of a release can be fetched after its branch moved on, as long as something still leads to it.
        .arguments(["-c", "uploadpack.allowReachableSHA1InWant=true"])
}

/// Whether a text is what git clients send: `version=2`, possibly with more such pairs behind colons.
///
/// The variable goes to another program, so nothing else is passed on.
fn is_protocol(text: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b':' | b'-' | b'.' | b'_');
    (1..=256).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_by_both_spellings_and_no_other() {
        assert_eq!(ServiceKind::from_command("git-receive-pack"), Some(ServiceKind::ReceivePack));
        assert_eq!(ServiceKind::from_command("git upload-pack"), Some(ServiceKind::UploadPack));
        for command in ["receive-pack", "git-shell", "git-", "git receive-pack;id", ""] {
            assert_eq!(ServiceKind::from_command(command), None, "{command}");
        }
    }

    #[test]
    fn a_protocol_is_words_and_numbers() {
        assert!(is_protocol("version=2") && is_protocol("version=2:agent=git-2.40.0"));
        assert!(!is_protocol("") && !is_protocol("version=2\nX=1") && !is_protocol("$(id)"));
    }
}
