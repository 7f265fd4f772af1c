//! `git:from-image` and `git:load-image`.

use std::io;

use bytes::Bytes;
use clap::Args;
use futures_util::stream;

use crate::build::BuildSource;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::{self, Work};
use crate::model::role::Role;

/// Deploys an image from a registry or from this host
#[derive(Debug, Args)]
pub struct FromImage {
    /// The app
    app: String,
    /// For example nginx:1.27, or registry.example.com/team/app@sha256:…
    image: String,
}

impl Command for FromImage {
    const NAME: &'static str = "git:from-image";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        deploy_image(&context, self.image).await
    }
}

/// Loads an image from standard input, as `docker save` writes it, and deploys it
#[derive(Debug, Args)]
pub struct LoadImage {
    /// The app
    app: String,
    /// The image's name in the archive
    image: String,
}

impl Command for LoadImage {
    const NAME: &'static str = "git:load-image";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        context.console().step("Loading image").await;
        let archive = stream::unfold(context.io.take_stdin(), |mut input| async {
            let bytes: Bytes = input.recv().await?;
            Some((io::Result::Ok(bytes), input))
        });
        let loaded = context.app.engine.load(archive).await?;
        if loaded.is_empty() {
            return Err(CommandError::user("There is no image on standard input")
                .hint("For example: docker save app:1 | ssh HOST git:load-image blog app:1"));
        }
        deploy_image(&context, self.image).await
    }
}

async fn deploy_image(context: &Context, image: String) -> CommandResult {
    let record = context.target()?.clone();
    let description = format!("Deploy image {image}");
    let work = Work::Build(BuildSource::Image { reference: image });
    deploy::run(&context.app, context.order(&record, work, &description)).await?;
    Ok(0)
}
