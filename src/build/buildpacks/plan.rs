//! Which buildpacks are run or asked, in the words of the driver in the build container.

use std::str::FromStr as _;

use crate::build::buildpacks::{BuildpacksError, LIST};
use crate::build::{BuildOrder, BuildStageError, source};
use crate::formats::app_json;
use crate::git::tree::Snapshot;
use crate::model::buildpack::{BUNDLED, BuildpackReference};

/// Where the bundled ones lie in the container.
const FOLDER: &str = "/slipway/buildpacks";

/// The plan of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether somebody chose: then all are run, in their order. Else the first that fits is.
    pub is_fixed: bool,
    /// The buildpacks.
    pub buildpacks: Vec<BuildpackReference>,
}

impl Plan {
    /// What the app's settings say, else the source's `.buildpacks`, else its app.json; else the bundled ones are asked.
    pub async fn of(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Self, BuildStageError> {
        let options = &order.options;
        let mut buildpacks = options.buildpacks.clone();
        if buildpacks.is_empty()
            && let Some(list) = source::read(snapshot, options, LIST).await?
        {
            buildpacks = listed(&String::from_utf8_lossy(&list))?;
        }
        if buildpacks.is_empty()
            && let Some(file) = source::process_files(snapshot, options).await?.app_json
        {
            let names = app_json::parse(&file)?.app_json.buildpacks;
            buildpacks = names.iter().map(|name| reference("app.json", name)).collect::<Result<_, _>>()?;
        }
        for buildpack in &buildpacks {
            let BuildpackReference::Local(path) = buildpack else { continue };
            if source::read(snapshot, options, &format!("{path}/bin/compile")).await?.is_none() {
                return Err(BuildpacksError::NoLocal(path.clone()).into());
            }
        }
        if !buildpacks.is_empty() {
            return Ok(Self { is_fixed: true, buildpacks });
        }
        let all = BUNDLED.iter().map(|name| BuildpackReference::Bundled((*name).to_owned()));
        Ok(Self { is_fixed: false, buildpacks: all.collect() })
    }

    /// The file that the driver reads.
    pub fn text(&self) -> String {
        let mut text = if self.is_fixed { "fixed\n" } else { "detect\n" }.to_owned();
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

fn listed(text: &str) -> Result<Vec<BuildpackReference>, BuildpacksError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| reference(LIST, line)).collect()
}

fn reference(place: &'static str, text: &str) -> Result<BuildpackReference, BuildpacksError> {
    BuildpackReference::from_str(text).map_err(|error| BuildpacksError::Reference { place, error })
}
