//! `ssh-keys:add`.

use clap::Args;
use russh::keys::{HashAlg, PublicKey};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::app_name::AppName;
use crate::model::key::Key;
use crate::model::role::{AppAccess, Role};

/// The longest input that is looked at, in bytes.
const LIMIT: usize = 64 << 10;

/// Adds the public key on standard input
#[derive(Debug, Args)]
pub struct Add {
    /// A name for the key
    name: String,
    /// What it may do: viewer, deployer or admin
    #[arg(long, default_value = "admin")]
    role: Role,
    /// Only for this app; may be repeated
    #[arg(long = "for", value_name = "APP")]
    apps: Vec<AppName>,
}

impl Command for Add {
    const NAME: &'static str = "ssh-keys:add";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, mut context: Context) -> CommandResult {
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "._@-".contains(c))
        {
            return Err(CommandError::user(format!("{:?} is not a name for a key", self.name))
                .hint("Use letters, digits and . _ @ -"));
        }
        let input = context.io.read_stdin(LIMIT).await.map_err(CommandError::user)?;
        let public_key = parse(&String::from_utf8_lossy(&input))?;
        let fingerprint = public_key.fingerprint(HashAlg::Sha256).to_string();
        if let Some(present) = context.app.store.key_by_fingerprint(&fingerprint).await? {
            return Err(CommandError::user(format!("The key was added already, as {}", present.name))
                .hint(format!("To change it: ssh-keys:remove {}, then add it again", present.name)));
        }
        if context.app.store.keys().await?.iter().any(|key| key.name == self.name) {
            return Err(CommandError::user(format!("There is a key named {} already", self.name))
                .hint("Choose another name, or ssh-keys:remove it first"));
        }
        let openssh = public_key
            .to_openssh()
            .map_err(|error| CommandError::internal("The key cannot be written", error))?;
        let openssh = openssh.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let access = if self.apps.is_empty() { AppAccess::All } else { AppAccess::Only(self.apps) };
        let key = Key {
            name: self.name,
            fingerprint: fingerprint.clone(),
            public_key: openssh,
            role: self.role,
            access,
        };
        context.app.store.add_key(key).await?;
        context.console().line(fingerprint).await;
        Ok(0)
    }
}

/// Reads exactly one key in OpenSSH's one-line form (sshd(8), AUTHORIZED_KEYS), without options.
fn parse(text: &str) -> Result<PublicKey, CommandError> {
    if text.contains("PRIVATE KEY-----") {
        return Err(CommandError::user("This is a private key, which nobody but you should ever have")
            .hint("Give the public one, in the file that ends in .pub; this one was not kept"));
    }
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    match lines.as_slice() {
        [] => Err(CommandError::user("No key specified via file or pipe")
            .hint("For example: ssh HOST ssh-keys:add ann < ann.pub")),
        [line] => PublicKey::from_openssh(line).map_err(|error| {
            CommandError::user(format!("Key specified is not a valid ssh public key: {error}"))
                .hint("Give the one line of a .pub file: ssh-ed25519 AAAA… name")
        }),
        _ => Err(CommandError::user("Too many keys provided, set one per invocation of ssh-keys:add NAME")
            .hint("Give each key a name of its own, so that it can be removed alone")),
    }
}
