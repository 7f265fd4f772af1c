//! `stack:rebuild`.

use clap::Args;

use crate::build::buildpacks::stack::{Maker, StackImage};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::byte_size::ByteSize;
use crate::model::role::Role;

/// Makes the stack images anew, with the newest Debian packages. Apps keep what they run on until their next push
#[derive(Debug, Args)]
pub struct Rebuild {
    /// Fetch a newer base image from its registry first
    #[arg(long)]
    pull: bool,
}

impl Command for Rebuild {
    const NAME: &'static str = "stack:rebuild";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let (engine, console) = (&context.app.engine, context.console());
        console.step("Rebuilding the stack images").await;
        let cancel = &context.io.client_gone;
        let surroundings = context.app.surroundings.current().await;
        let maker = Maker { engine, console, surroundings: &surroundings, cancel, anew: true };
        let making = async {
            if self.pull {
                maker.pull_base().await?;
            }
            maker.own().await
        };
        let made = cancel.run_until_cancelled(making).await;
        let Some(made) = made else { return Ok(1) };
        let stack = made.map_err(CommandError::user)?;
        for StackImage { name, id } in [&stack.run, &stack.build] {
            let size = engine.image_facts(&id.0).await?.map_or(0, |facts| facts.size);
            console.detail(format!("{name} is new: {}", ByteSize(size))).await;
        }
        let next = "Each app gets it with its next build; at once: ps:rebuild APP, or ps:rebuild --all";
        console.step(next).await;
        // The images that had these names may be nobody's now.
        context.app.reconciler.collect_garbage();
        Ok(0)
    }
}
