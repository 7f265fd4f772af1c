//! Which buildpacks are run or asked, in the words of the driver in the build container.

use std::str::FromStr as _;

use crate::build::buildpacks::{BuildpacksError, LIST};
use crate::build::{BuildOrder, BuildStageError, source};
use crate::formats::app_json;
use crate::git::tree::Snapshot;
use crate::model::buildpack::{BUNDLED, BuildpackReference, MULTI};
use crate::model::config_var::ConfigVars;

/// Where the bundled ones lie in the container.
const FOLDER: &str = "/slipway/buildpacks";

/// The config var in which Heroku's and Dokku's users name a buildpack.
const VARIABLE: &str = "BUILDPACK_URL";

/// Who chose the buildpacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// The app's settings (`buildpacks:add`).
    Settings,
    /// The config var `BUILDPACK_URL`.
    Variable,
    /// The source's `.buildpacks`.
    List,
    /// The source's app.json.
    AppJson,
    /// Nobody: they are asked in turn.
    Nobody,
}

/// The plan of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who chose: if somebody did, all are run, in their order. Else the first that fits is.
    pub whence: Whence,
    /// Whether they are only asked, all of them.
    pub only_asks: bool,
    /// The buildpacks.
    pub buildpacks: Vec<BuildpackReference>,
}

impl Plan {
    /// What the app's settings say, else its config var, else the source's `.buildpacks`, else its app.json; else the
    /// bundled ones are asked.
    pub async fn of(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Self, BuildStageError> {
        let (whence, buildpacks) = chosen(order, snapshot).await?;
        for buildpack in &buildpacks {
            let BuildpackReference::Local(path) = buildpack else { continue };
            if source::read(snapshot, &order.options, &format!("{path}/bin/compile")).await?.is_none() {
                return Err(BuildpacksError::NoLocal(path.clone()).into());
            }
        }
        Ok(Self { whence, only_asks: false, buildpacks })
    }

    /// Whether somebody chose.
    pub fn is_fixed(&self) -> bool {
        self.whence != Whence::Nobody
    }

    /// The file that the driver reads.
    pub fn text(&self) -> String {
        let mode = match (self.only_asks, self.is_fixed()) {
            (true, _) => "ask\n",
            (false, true) => "fixed\n",
            (false, false) => "detect\n",
        };
        let mut text = mode.to_owned();
        for buildpack in &self.buildpacks {
            let (kind, location, reference) = match buildpack {
                BuildpackReference::Bundled(name) => ("dir", format!("{FOLDER}/{name}"), ""),
                BuildpackReference::Local(path) => ("dir", format!("/app/{path}"), ""),
                BuildpackReference::Git { url, reference } => ("git", url.clone(), reference.as_str()),
                BuildpackReference::Archive(url) => ("archive", url.clone(), ""),
            };
            text.push_str(&format!("{buildpack}\t{kind}\t{location}\t{reference}\n"));
        }
        text
    }
}

async fn chosen(
    order: &BuildOrder<'_>,
    snapshot: &Snapshot,
) -> Result<(Whence, Vec<BuildpackReference>), BuildStageError> {
    let options = &order.options;
    let list = match source::read(snapshot, options, LIST).await? {
        Some(list) => listed(&String::from_utf8_lossy(&list))?,
        None => Vec::new(),
    };
    if !options.buildpacks.is_empty() {
        return Ok((Whence::Settings, with_list(&options.buildpacks, &list)));
    }
    if let Some(name) = variable(order.config) {
        return Ok((Whence::Variable, vec![reference(VARIABLE, name)?]));
    }
    if !list.is_empty() {
        return Ok((Whence::List, list));
    }
    if let Some(file) = source::process_files(snapshot, options).await?.app_json {
        let names = app_json::parse(&file)?.app_json.buildpacks;
        let found: Vec<_> = names.iter().map(|name| reference("app.json", name)).collect::<Result<_, _>>()?;
        if !found.is_empty() {
            return Ok((Whence::AppJson, found));
        }
    }
    let all = BUNDLED.iter().map(|name| BuildpackReference::Bundled((*name).to_owned()));
    Ok((Whence::Nobody, all.collect()))
}

/// The buildpack `multi` stands for those that `.buildpacks` lists.
fn with_list(chosen: &[BuildpackReference], list: &[BuildpackReference]) -> Vec<BuildpackReference> {
    let stands_for = |one: &BuildpackReference| match one {
        BuildpackReference::Bundled(name) if name == MULTI && !list.is_empty() => list.to_vec(),
        other => vec![other.clone()],
    };
    chosen.iter().flat_map(stands_for).collect()
}

/// What the config var says, if it is set.
pub fn variable(config: &ConfigVars) -> Option<&str> {
    let (_, value) = config.iter().find(|(key, _)| key.as_str() == VARIABLE)?;
    Some(value.expose()).filter(|value| !value.is_empty())
}

fn listed(text: &str) -> Result<Vec<BuildpackReference>, BuildpacksError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| reference(LIST, line)).collect()
}

fn reference(place: &'static str, text: &str) -> Result<BuildpackReference, BuildpacksError> {
    BuildpackReference::from_str(text).map_err(|error| BuildpacksError::Reference { place, error })
}
