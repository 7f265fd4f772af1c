//! What a service's container is made of: the engine's image, or where that cannot be had, one that is built from the
//! plugin's own Dockerfile.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::docker::build::BuildSpec;
use crate::docker::build::line::BuildLine;
use crate::model::engine::{Engine, Fallback};
use crate::model::release::ImageId;
use crate::plugin::Plugin;
use crate::store::services::ServiceImage;

/// What images are called that are built here; the engine and the version follow.
pub const REPOSITORY: &str = "slipway-service-";
/// Their label: the engine.
pub const LABEL: &str = "slipway.service-image";
/// Files of a plugin that describe it.
const DESCRIPTIONS: [&str; 3] = ["plugin.toml", "service.toml", "probe.toml"];
/// How long a registry may be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// How often a build shows a line, so that one sees that it goes on.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// How many of its lines are shown of a build that fails.
const LAST_LINES: usize = 30;
/// How long an image stays that nobody uses, in seconds: somebody may be about to.
const GRACE: i64 = 24 * 3600;
/// Lines that may wait for a slow client.
const BACKLOG: usize = 64;

/// What a person asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Another image than the engine's.
    pub image: Option<String>,
    /// Another version.
    pub version: Option<String>,
}

/// Finds the image, pulls it, or builds what stands in for it.
pub async fn find(
    app: &App,
    plugin: &Plugin,
    engine: &Engine,
    wish: &Wish,
    console: &Console,
) -> Result<ServiceImage, CommandError> {
    let name = wish.image.clone().unwrap_or_else(|| engine.service.image.clone());
    let version = wish.version.clone().unwrap_or_else(|| engine.service.version.clone());
    let reference = format!("{name}:{version}");
    let Err(reason) = obtain(app, &reference, console).await else {
        return Ok(ServiceImage { name, version, reference, built: false });
    };
    let no_image = |hint: String| {
        CommandError::user(format!("The image {reference} cannot be had: {reason}")).hint(hint)
    };
    let fallback = match &engine.fallback {
        Some(fallback) if wish.image.is_none() => fallback,
        _ => return Err(no_image("Look at the name, and whether this host reaches the registry".to_owned())),
    };
    let Some(version) = fallback_version(fallback, wish) else {
        let versions = fallback.versions.join(", ");
        return Err(no_image(format!("Without a registry there are: -I {versions}")));
    };
    console.detail(format!("{reference} cannot be had: {reason}")).await;
    if let Some(notice) = &fallback.notice {
        console.detail(notice).await;
    }
    let reference = build(app, plugin, version, console).await?;
    Ok(ServiceImage { name, version: version.to_owned(), reference, built: true })
}

/// Makes sure that what a service is made of is still there: it may have been removed by hand.
pub async fn ensure(
    app: &App,
    plugin: &Plugin,
    image: &ServiceImage,
    console: &Console,
) -> Result<ServiceImage, CommandError> {
    if app.engine.image_facts(&image.reference).await?.is_some() {
        return Ok(image.clone());
    }
    if image.built {
        let reference = build(app, plugin, &image.version, console).await?;
        return Ok(ServiceImage { reference, ..image.clone() });
    }
    obtain(app, &image.reference, console).await.map_err(|reason| {
        CommandError::user(format!("The image {} cannot be had: {reason}", image.reference))
            .hint("It was here before: see whether this host reaches the registry")
    })?;
    Ok(image.clone())
}

/// Images that were built here, that no service of this server is made of and no container of any, and that were last
/// given their name a day ago or more: by name and id.
pub async fn unused(app: &App) -> Result<Vec<(String, ImageId)>, CommandError> {
    let images = app.engine.every_image().await?;
    // Read after the list: an image that came into use in between is among them.
    let recorded = app.store.services().await?;
    let used = app.engine.images_in_use().await?;
    let mut found = Vec::new();
    for listed in images {
        let Some(name) = listed.names.iter().find(|name| name.starts_with(REPOSITORY)) else { continue };
        let is_recorded = recorded.iter().any(|record| record.image.reference == *name);
        if is_recorded || used.contains(&listed.id) || !listed.labels.contains_key(LABEL) {
            continue;
        }
        let Some(facts) = app.engine.image_facts(name).await? else { continue };
        let last = facts.named_at.unwrap_or(listed.created_at).max(listed.created_at);
        if last < clock::unix_seconds() - GRACE {
            found.push((name.clone(), listed.id));
        }
    }
    Ok(found)
}

/// The version that stands in, if there is one.
fn fallback_version<'a>(fallback: &'a Fallback, wish: &'a Wish) -> Option<&'a str> {
    match &wish.version {
        None => Some(&fallback.version),
        Some(version) => fallback.versions.iter().find(|known| *known == version).map(String::as_str),
    }
}

/// Has the image in the engine, or says why it cannot be had.
async fn obtain(app: &App, reference: &str, console: &Console) -> Result<(), String> {
    if app.engine.image_facts(reference).await.map_err(|error| error.to_string())?.is_some() {
        return Ok(());
    }
    console.step(format!("Pulling {reference}")).await;
    let (progress, mut lines) = mpsc::channel(BACKLOG);
    let mut pull = std::pin::pin!(app.engine.pull(reference, None, &progress));
    let mut answered = false;
    loop {
        tokio::select! {
            pulled = &mut pull => return pulled.map(drop).map_err(|error| error.to_string()),
            Some(line) = lines.recv() => {
                answered = true;
                console.detail(line).await;
            }
            // What comes later may be one large layer, of which nothing is heard until it is there.
            () = sleep(SILENCE), if !answered => return Err("the registry does not answer".to_owned()),
        }
    }
}

/// Builds a version from the plugin's Dockerfile, once; gives the image's name. All servers of a host share it, as
/// they share stack images: it is called after all that it is made of.
async fn build(app: &App, plugin: &Plugin, version: &str, console: &Console) -> Result<String, CommandError> {
    let unreadable = |error: io::Error| {
        CommandError::internal(format!("The folder of the plugin {} cannot be read", plugin.name), error)
    };
    let context = context(&plugin.folder).map_err(unreadable)?;
    let hash = digest(&SHA256, &context);
    let short: String = hash.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let reference = format!("{REPOSITORY}{}:{version}-{short}", plugin.name);
    if app.engine.image_facts(&reference).await?.is_some() {
        return Ok(reference);
    }
    console
        .step(format!("Building {} {version}, once for this host; this can take minutes", plugin.name))
        .await;
    let surroundings = app.surroundings.current().await;
    let proxy = surroundings.build_arguments().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut build_args: BTreeMap<String, String> = proxy.collect();
    build_args.insert("VERSION".to_owned(), version.to_owned());
    let spec = BuildSpec {
        tag: Some(reference.clone()),
        labels: BTreeMap::from([(LABEL.to_owned(), plugin.name.to_string())]),
        build_args,
        shared: true,
        ..BuildSpec::new()
    };
    let (output, lines) = mpsc::channel(BACKLOG);
    let never = CancellationToken::new();
    let building = async {
        let context = stream::iter([Ok(Bytes::from(context))]);
        let built = app.engine.build(&spec, context, &output, &never).await;
        drop(output);
        built
    };
    let (built, last) = tokio::join!(building, follow(lines, console));
    if built.is_err() {
        for line in last {
            console.detail(line).await;
        }
    }
    built.map_err(|error| {
        CommandError::internal(format!("The image for {} {version} cannot be built", plugin.name), error)
            .hint("What the build said is above. Or give an image that this host has: -i IMAGE -I VERSION")
    })?;
    Ok(reference)
}

/// Says from time to time that it goes on; gives the last lines, which nobody wants to see of a build that succeeds.
async fn follow(mut lines: mpsc::Receiver<BuildLine>, console: &Console) -> VecDeque<String> {
    let mut last = VecDeque::new();
    let mut told = Instant::now();
    while let Some(line) = lines.recv().await {
        let BuildLine::Output(text) = line else { continue };
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            console.detail(format!("... {}", text.trim())).await;
        }
        last.push_back(text);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    last
}

/// The plugin's folder as a tar, the same for the same content whenever and wherever it was unpacked. What describes
/// the plugin is no part of the image, and a change of it no reason to build another.
fn context(folder: &Path) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.mode(tar::HeaderMode::Deterministic);
    builder.follow_symlinks(false);
    let mut names = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    names.retain(|entry| !DESCRIPTIONS.iter().any(|name| entry.file_name() == *name));
    names.sort_by_key(std::fs::DirEntry::file_name);
    for entry in names {
        if entry.file_type()?.is_dir() {
            builder.append_dir_all(entry.file_name(), entry.path())?;
        } else {
            builder.append_path_with_name(entry.path(), entry.file_name())?;
        }
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_that_can_be_built_stand_in() {
        let fallback = Fallback {
            version: "15".to_owned(),
            versions: vec!["13".to_owned(), "15".to_owned()],
            notice: None,
        };
        let wish = |version: Option<&str>| Wish { image: None, version: version.map(str::to_owned) };
        assert_eq!(fallback_version(&fallback, &wish(None)), Some("15"));
        assert_eq!(fallback_version(&fallback, &wish(Some("13"))), Some("13"));
        assert_eq!(fallback_version(&fallback, &wish(Some("17"))), None);
    }

    #[test]
    fn the_same_folder_is_the_same_context_wherever_it_lies() {
        let make = || {
            let folder = tempfile::tempdir().unwrap();
            for name in ["b", "a", "Dockerfile"] {
                std::fs::write(folder.path().join(name), name).unwrap();
            }
            context(folder.path()).unwrap()
        };
        assert_eq!(make(), make());
    }
}
