//! `disk:report`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::byte_size::ByteSize;
use crate::model::role::Role;
use crate::upkeep::disk::{self, FileSystem};

/// Shows what takes the disk: images and cache of each app, stack images, build cache, volumes, logs, repositories; and what is free
#[derive(Debug, Args)]
pub struct Report {
    /// Lines, or JSON with numbers of bytes
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for Report {
    const NAME: &'static str = "disk:report";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let console = context.console();
        if self.format == Format::Json {
            print_json(console, &disk::report(&context.app).await?).await?;
            return Ok(0);
        }
        console.step("Asking the engine what its things take").await;
        let report = disk::report(&context.app).await?;
        console.headline("Apps").await;
        console.detail(columns(&apps(&report))).await;
        console.headline("Shared by all").await;
        console.detail(columns(&shared(&report))).await;
        console.headline("Free").await;
        console.detail(columns(&report.file_systems.iter().map(free).collect::<Vec<_>>())).await;
        Ok(0)
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

fn apps(report: &disk::Report) -> Vec<Vec<String>> {
    let head = ["APP", "IMAGES", "OWN LAYERS", "CONTAINERS", "LOGS", "REPOSITORY", "CACHE"]
        .map(str::to_owned)
        .to_vec();
    let row = |(name, share): (&String, &disk::AppShare)| {
        vec![
            name.clone(),
            share.images.to_string(),
            size(share.images_own),
            size(share.containers),
            size(share.container_logs),
            size(share.repository),
            size(share.cache),
        ]
    };
    std::iter::once(head).chain(report.apps.iter().map(row)).collect()
}

fn shared(report: &disk::Report) -> Vec<Vec<String>> {
    let quota = match report.build_cache_quota {
        0 => "(never trimmed)".to_owned(),
        quota => format!("(trimmed to {})", size(quota)),
    };
    let mut rows = vec![
        vec!["Layers that images share:".to_owned(), size(report.images_shared)],
        vec!["Stack images:".to_owned(), size(report.stack_images)],
        vec!["Build cache:".to_owned(), format!("{} {quota}", size(report.build_cache))],
        vec!["All layers of the engine:".to_owned(), size(report.engine_layers)],
        vec!["Repositories:".to_owned(), size(report.repositories)],
        vec!["Logs:".to_owned(), size(report.logs)],
        vec!["Database:".to_owned(), size(report.database)],
    ];
    rows.extend(report.volumes.iter().map(|(name, bytes)| vec![format!("Volume {name}:"), size(*bytes)]));
    rows
}

fn free(found: &FileSystem) -> Vec<String> {
    let inodes = match found.inodes {
        0 => "no limit of files".to_owned(),
        _ => format!("{} files", found.inodes_free),
    };
    vec![format!("{}:", found.path), format!("{} of {}", size(found.free), size(found.total)), inodes]
}
