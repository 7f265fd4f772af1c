//! `stack:report`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde::Serialize;

use crate::build::buildpacks::stack::inventory::{self, Item};
use crate::build::buildpacks::stack::{BUILT_IN, NAME, STANDS_ON, StackImage};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::prepare;
use crate::model::byte_size::ByteSize;
use crate::model::role::Role;

/// Shows the stack images of this host: sizes, Debian packages on top, which apps use them, and which stacks are chosen
#[derive(Debug, Args)]
pub struct Report {
    /// Lines, or JSON with numbers of bytes
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Document {
    images: Vec<Row>,
    /// The stack that holds for all apps, and those of single apps.
    global: String,
    chosen: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Row {
    image: String,
    kind: String,
    id: String,
    current: bool,
    /// By an app of any server's on this host.
    used: bool,
    packages: Vec<String>,
    /// This server's apps whose release stands on it or was built in it.
    apps: Vec<String>,
    created: String,
    bytes: u64,
}

impl Command for Report {
    const NAME: &'static str = "stack:report";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let users = users(&context).await?;
        let items = inventory::list(&context.app.engine).await?;
        let images = items.into_iter().map(|item| row(item, &users)).collect();
        let store = &context.app.store;
        let names: BTreeMap<_, _> =
            store.apps().await?.into_iter().map(|record| (record.id, record.name)).collect();
        let mut document = Document { images, global: NAME.to_owned(), chosen: BTreeMap::new() };
        for (app, stack) in store.property_values(prepare::STACK).await? {
            match app.and_then(|id| names.get(&id)) {
                Some(name) => drop(document.chosen.insert(name.to_string(), stack)),
                None => document.global = stack,
            }
        }
        if self.format == Format::Json {
            print_json(context.console(), &document).await?;
        } else {
            show(&context, &document).await;
        }
        Ok(0)
    }
}

/// Names of apps by the ids of the stack images that their current releases came from: a name may be another image's
/// since.
async fn users(context: &Context) -> Result<BTreeMap<String, BTreeSet<String>>, CommandError> {
    let (engine, store) = (&context.app.engine, &context.app.store);
    let images: BTreeMap<_, _> =
        engine.list_images().await?.into_iter().map(|image| (image.id, image.labels)).collect();
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for user in store.image_users().await?.into_iter().filter(|user| user.current) {
        let Some(labels) = images.get(&user.image) else { continue };
        for stack in [BUILT_IN, STANDS_ON].iter().filter_map(|label| labels.get(*label)) {
            let (_, id) = StackImage::parts(stack);
            users.entry(id.to_owned()).or_default().insert(user.app.to_string());
        }
    }
    Ok(users)
}

fn row(item: Item, users: &BTreeMap<String, BTreeSet<String>>) -> Row {
    let apps = users.get(&item.id.0).cloned().unwrap_or_default();
    let created = jiff::Timestamp::from_second(item.created_at).map(|time| time.to_string());
    Row {
        image: item.name.unwrap_or_else(|| "(replaced)".to_owned()),
        kind: item.kind,
        id: item.id.0,
        current: item.is_current,
        used: item.is_used,
        packages: item.packages,
        apps: apps.into_iter().collect(),
        created: created.unwrap_or_default(),
        bytes: item.size,
    }
}

async fn show(context: &Context, document: &Document) {
    let console = context.console();
    console.headline(format!("{} stack images", document.images.len())).await;
    let head = ["IMAGE", "STATE", "SIZE", "MADE", "APPS", "PACKAGES"].map(str::to_owned).to_vec();
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let rows = document.images.iter().map(|row| {
        let state = match (row.current, row.used) {
            (true, _) => "current",
            (false, true) => "used",
            (false, false) => "unused",
        };
        vec![
            row.image.clone(),
            state.to_owned(),
            ByteSize(row.bytes).to_string(),
            row.created.clone(),
            or_dash(row.apps.join(",")),
            or_dash(row.packages.join(" ")),
        ]
    });
    if document.images.is_empty() {
        console.detail("None yet: the first build by buildpacks makes them, or stack:rebuild").await;
    } else {
        console.detail(columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())).await;
    }
    console.headline("Chosen").await;
    let global = std::iter::once(vec!["all other apps:".to_owned(), document.global.clone()]);
    let chosen = document.chosen.iter().map(|(app, stack)| vec![format!("{app}:"), stack.clone()]);
    console.detail(columns(&chosen.chain(global).collect::<Vec<_>>())).await;
}
