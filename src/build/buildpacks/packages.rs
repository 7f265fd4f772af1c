//! The Debian packages that buildpacks and an `Aptfile` ask for, as images on top of the stack.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::build::buildpacks::BuildpacksError;
use crate::build::buildpacks::hints::Hint;
use crate::build::buildpacks::plan::Plan;
use crate::build::buildpacks::stack::{Layer, Maker, Stack, StackImage};
use crate::build::{BuildOrder, BuildStageError, source};
use crate::formats::aptfile::{Aptfile, is_package};
use crate::formats::ignore::Ignore;
use crate::formats::slugignore::SlugIgnore;
use crate::git::tree::Snapshot;
use crate::model::buildpack::BuildpackReference;

/// The file that says what stays out of the build.
const IGNORE: &str = ".slugignore";
/// The file in which a source asks for packages.
const APTFILE: &str = "Aptfile";
/// More is no app.
const MOST: usize = 500;

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wishes {
    build: BTreeSet<String>,
    run: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    packages: Packages,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Packages {
    build: Vec<String>,
    run: Vec<String>,
}

/// The images with all that was asked for, made if they are not there.
pub async fn add(
    order: &BuildOrder<'_>,
    stack: &Stack,
    detected: String,
    manifests: &[Vec<u8>],
) -> Result<Hint, BuildStageError> {
    let wishes = Wishes::of(&detected, manifests)?;
    let build = with(order, "build", &stack.build, &wishes.build).await?;
    let run = with(order, "run", &stack.run, &wishes.run).await?;
    Ok(Hint::with(stack, detected, build, run))
}

async fn with(
    order: &BuildOrder<'_>,
    kind: &str,
    base: &StackImage,
    packages: &BTreeSet<String>,
) -> Result<StackImage, BuildStageError> {
    if packages.is_empty() {
        return Ok(base.clone());
    }
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let names = names.join(" ");
    order.console.detail(format!("Debian packages to {kind}: {names}")).await;
    let dockerfile = format!(
        "FROM {}\nUSER root\nRUN apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes \
         --no-install-recommends {names} >/dev/null && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives /var/log/apt\n",
        base.name
    );
    let layer = Layer { kind, dockerfile: &dockerfile, base: &base.id, packages: &names };
    let made = Maker::of(order).layer(layer).await.map_err(|error| match error {
        BuildpacksError::Stack(_) => BuildpacksError::Packages(names.clone()),
        other => other,
    });
    Ok(made?)
}

impl Wishes {
    fn of(detected: &str, manifests: &[Vec<u8>]) -> Result<Self, BuildpacksError> {
        let mut wishes = Self::default();
        for manifest in manifests {
            let wrong = |reason: String| BuildpacksError::Output { file: "buildpack.toml", reason };
            let text = std::str::from_utf8(manifest).map_err(|error| wrong(error.to_string()))?;
            let Manifest { packages } =
                toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
            wishes.build.extend(packages.build);
            wishes.run.extend(packages.run);
        }
        for line in detected.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("build") => wishes.build.extend(words.map(str::to_owned)),
                Some("run") => wishes.run.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        let all = || wishes.build.iter().chain(&wishes.run);
        if let Some(name) = all().find(|name| !is_package(name)) {
            let reason = format!("{name:?} is not the name of a Debian package");
            return Err(BuildpacksError::Output { file: "list of packages", reason });
        }
        if all().count() > MOST {
            let reason = format!("more than {MOST} packages");
            return Err(BuildpacksError::Output { file: "list of packages", reason });
        }
        Ok(wishes)
    }
}

/// The packages that the source itself asks for, in the driver's words. A buildpack for that, which unpacks them into
/// the app, does it instead if it was chosen.
pub async fn aptfile(
    order: &BuildOrder<'_>,
    snapshot: &Snapshot,
    plan: &Plan,
) -> Result<String, BuildStageError> {
    let is_apt = |buildpack: &BuildpackReference| buildpack.to_string().contains("buildpack-apt");
    let contents = source::read(snapshot, &order.options, APTFILE).await?;
    let (Some(contents), false) = (contents, plan.buildpacks.iter().any(is_apt)) else {
        return Ok(String::new());
    };
    let packages = Aptfile::parse(&contents).map_err(BuildpacksError::from)?.packages;
    Ok(packages.iter().map(|name| format!("build {name}\nrun {name}\n")).collect())
}

/// What of the source stays out of the build.
pub async fn slugignore(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Ignore, BuildStageError> {
    let rules = source::read(snapshot, &order.options, IGNORE).await?.unwrap_or_default();
    let rules = SlugIgnore::parse(&rules)?;
    for warning in &rules.warnings {
        order.console.warn(warning).await;
    }
    Ok(Ignore::Slug(rules))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_come_from_manifests_and_from_what_was_printed() {
        let manifest = b"name = \"x\"\n[packages]\nbuild = [\"gcc\"]\nrun = [\"libpq5\"]\n".to_vec();
        let wishes = Wishes::of(
            "buildpack x y\nbuild g++ make\nrun nginx=1.22.1-9+deb12u1\n",
            &[manifest, Vec::new()],
        );
        let wishes = wishes.unwrap();
        assert_eq!(wishes.build.iter().collect::<Vec<_>>(), ["g++", "gcc", "make"]);
        assert_eq!(wishes.run.iter().collect::<Vec<_>>(), ["libpq5", "nginx=1.22.1-9+deb12u1"]);
    }

    #[test]
    fn nothing_but_packages_reaches_a_shell() {
        for name in ["a;b", "$(x)", "-y", "A", "a=`x`", "a=-1", "", "a/b"] {
            assert!(!is_package(name), "{name}");
            if !name.is_empty() {
                assert!(Wishes::of(&format!("build {name}"), &[]).is_err(), "{name}");
            }
        }
    }
}
