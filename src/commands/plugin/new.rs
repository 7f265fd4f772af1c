//! `plugin:new`.

use clap::Args;
use tar::{Builder, EntryType, Header};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::plugin::PluginName;
use crate::model::role::Role;

/// What is in it: paths, whether they can be run, and texts in which NAME stands for the name.
const FILES: [(&str, bool, &str); 4] = [
    ("plugin.toml", false, include_str!("skeleton/plugin.toml")),
    ("hooks/post-deploy", true, include_str!("skeleton/post-deploy")),
    ("subcommands/hello", true, include_str!("skeleton/hello")),
    ("test", true, include_str!("skeleton/test")),
];

/// Writes a new plugin that works, with a test, to standard output as a tar archive: plugin:new NAME | tar x
#[derive(Debug, Args)]
pub struct New {
    /// Its name, which is that of the folder too
    name: String,
}

impl Command for New {
    const NAME: &'static str = "plugin:new";
    const SCOPE: Scope = Scope::Anyone;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let name: PluginName = self.name.parse().map_err(CommandError::user)?;
        if context.app.plugins.is_taken(name.as_str()) {
            return Err(CommandError::user(format!("{name} is the name of commands of Slipway itself"))
                .hint("Choose another one"));
        }
        if context.io.terminal.is_some() {
            return Err(CommandError::user("An archive is of no use on a terminal")
                .hint(format!("Unpack it: ssh HOST plugin:new {name} | tar x")));
        }
        let archive = archive(name.as_str())
            .map_err(|error| CommandError::internal("The archive cannot be made", error))?;
        context.console().stdout(archive).await;
        Ok(0)
    }
}

fn archive(name: &str) -> std::io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for (path, is_executable, text) in FILES {
        let text = text.replace("NAME", name);
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(text.len() as u64);
        header.set_mode(if is_executable { 0o755 } else { 0o644 });
        archive.append_data(&mut header, format!("{name}/{path}"), text.as_bytes())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::folder;

    #[test]
    fn what_is_written_is_a_plugin() {
        let directory = tempfile::tempdir().unwrap();
        tar::Archive::new(archive("greeter").unwrap().as_slice()).unpack(directory.path()).unwrap();
        let (manifest, _) = folder::read(&directory.path().join("greeter")).unwrap();
        assert_eq!(manifest.plugin.name, "greeter");
        assert_eq!(manifest.permissions.commands, ["ps:scale"]);
    }
}
