//! Which stack images there are on this host, what they are for, and which of them nobody needs.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::build::buildpacks::bundle::RUN_DOCKERFILE;
use crate::build::buildpacks::stack::{
    BUILT_IN, KIND, Layer, PACKAGES, REPOSITORY, STANDS_ON, StackImage, base, build_dockerfile,
};
use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::image_list::ListedImage;
use crate::docker::labels::OWNER;
use crate::model::release::ImageId;

/// How long an image stays that nobody needs, in seconds: somebody may be about to.
const GRACE: i64 = 24 * 3600;

/// A stack image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is called; nothing once another one has its name.
    pub name: Option<String>,
    /// Its id.
    pub id: ImageId,
    /// `run` or `build`.
    pub kind: String,
    /// The Debian packages that it adds to the stack.
    pub packages: Vec<String>,
    /// Whether new builds begin with it: it is the stack of this version of Slipway itself.
    pub is_current: bool,
    /// Whether an image of an app, of any server's on this host, was built in it or stands on it.
    pub is_used: bool,
    /// When it was made, seconds since the Unix epoch.
    pub created_at: i64,
    /// Its size in bytes, with what it stands on.
    pub size: u64,
}

impl Item {
    /// Whether nobody has needed it for long: the engine says when it was last given its name, which each build does.
    fn is_forgotten(&self, named_at: Option<i64>, now: i64) -> bool {
        let last = named_at.unwrap_or(self.created_at).max(self.created_at);
        !self.is_current && !self.is_used && last < now - GRACE
    }
}

/// All of this host's, the stack itself first.
pub async fn list(engine: &Engine) -> Result<Vec<Item>, EngineError> {
    let images = engine.every_image().await?;
    let used: BTreeSet<&str> = images
        .iter()
        .flat_map(|image| [image.labels.get(BUILT_IN), image.labels.get(STANDS_ON)])
        .flatten()
        .map(|label| StackImage::parts(label))
        .flat_map(|(name, id)| [name, id])
        .collect();
    let current = current(engine).await?;
    let mut items: Vec<Item> = images.iter().filter_map(|image| item(image, &used, &current)).collect();
    items.sort_by(|one, other| {
        (!one.is_current, &one.kind, &one.packages, &one.name).cmp(&(
            !other.is_current,
            &other.kind,
            &other.packages,
            &other.name,
        ))
    });
    Ok(items)
}

/// Those that nobody needs, and has not for a day.
pub async fn garbage(engine: &Engine) -> Result<Vec<Item>, EngineError> {
    let mut found = Vec::new();
    for item in list(engine).await?.into_iter().filter(|item| !item.is_current && !item.is_used) {
        let Some(name) = &item.name else {
            found.push(item);
            continue;
        };
        let Some(facts) = engine.image_facts(name).await? else { continue };
        if item.is_forgotten(facts.named_at, now()) {
            found.push(item);
        }
    }
    Ok(found)
}

/// The names that this version of Slipway gives its stack, with the base that is there now.
async fn current(engine: &Engine) -> Result<[String; 2], EngineError> {
    let base = base(engine).await?;
    let run = Layer { kind: "run", dockerfile: RUN_DOCKERFILE, base: &base, packages: "" }.name();
    let run_id = engine.image_facts(&run).await?.map_or_else(|| ImageId(String::new()), |facts| facts.id);
    let dockerfile = build_dockerfile(&ImageId(run.clone()));
    let build = Layer { kind: "build", dockerfile: &dockerfile, base: &run_id, packages: "" }.name();
    Ok([run, build])
}

/// An image of an app inherits the labels of what it stands on, and has an owner.
fn item(image: &ListedImage, used: &BTreeSet<&str>, current: &[String; 2]) -> Option<Item> {
    let prefix = format!("{REPOSITORY}:");
    let name = image.names.iter().find(|name| name.starts_with(&prefix)).cloned();
    let was_one =
        image.names.is_empty() && image.labels.contains_key(KIND) && !image.labels.contains_key(OWNER);
    if name.is_none() && !was_one {
        return None;
    }
    let of_name = || name.as_deref()?.strip_prefix(&prefix)?.split('-').next().map(str::to_owned);
    let packages = image.labels.get(PACKAGES).map(String::as_str).unwrap_or_default();
    Some(Item {
        kind: image.labels.get(KIND).cloned().or_else(of_name).unwrap_or_default(),
        packages: packages.split_whitespace().map(str::to_owned).collect(),
        is_current: name.as_ref().is_some_and(|name| current.contains(name)),
        is_used: name.as_deref().is_some_and(|name| used.contains(name))
            || used.contains(image.id.0.as_str()),
        id: image.id.clone(),
        created_at: image.created_at,
        size: image.size,
        name,
    })
}

/// Seconds since the Unix epoch, by the clock that the engine goes by too.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(names: &[&str], labels: &[(&str, &str)]) -> ListedImage {
        ListedImage {
            id: ImageId("sha256:1".to_owned()),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            created_at: 0,
            size: 7,
        }
    }

    fn read(image: &ListedImage, used: &[&str]) -> Option<Item> {
        let current = ["slipway-stack:run-1".to_owned(), "slipway-stack:build-1".to_owned()];
        item(image, &used.iter().copied().collect(), &current)
    }

    #[test]
    fn images_of_apps_are_none_of_the_stack_though_they_inherit_its_labels() {
        let labels = [(KIND, "run"), (PACKAGES, "bc"), (OWNER, "abc")];
        assert_eq!(read(&image(&["slipway-abc/blog:build-1"], &labels), &[]), None);
        assert_eq!(read(&image(&[], &labels), &[]), None);
        assert_eq!(read(&image(&["debian:bookworm-slim"], &[]), &[]), None);
        let replaced = read(&image(&[], &[(KIND, "build")]), &[]).unwrap();
        assert_eq!((replaced.kind.as_str(), replaced.name, replaced.is_current), ("build", None, false));
    }

    #[test]
    fn what_is_current_or_used_or_new_is_no_garbage() {
        let now = 10 * GRACE;
        let current = read(&image(&["slipway-stack:run-1"], &[]), &[]).unwrap();
        assert_eq!(current.kind, "run");
        assert!(!current.is_forgotten(None, now));
        let layer = image(&["slipway-stack:run-2"], &[(KIND, "run"), (PACKAGES, "bc jq")]);
        let used = read(&layer, &["slipway-stack:run-2"]).unwrap();
        assert_eq!(used.packages, ["bc", "jq"]);
        assert!(!used.is_forgotten(None, now));
        assert!(read(&image(&[], &[(KIND, "run")]), &["sha256:1"]).unwrap().is_used);
        let unused = read(&layer, &[]).unwrap();
        assert!(unused.is_forgotten(None, now) && unused.is_forgotten(Some(now - GRACE - 1), now));
        // A build has just named it, and its app's image is not there yet.
        assert!(!unused.is_forgotten(Some(now - GRACE + 1), now));
    }
}
