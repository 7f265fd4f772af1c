//! What plugins add to a release at `pre-release`, beside config vars. It is asked for once and recorded with the
//! release, so that whatever is made of that release later has it without anybody being asked again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::docker_option::DockerOption;
use crate::model::hostname::Hostname;
use crate::model::path_route::{HostPath, HostPathError};
use crate::model::phase::Phase;
use crate::model::plugin::PluginName;
use crate::model::process_scope::ProcessScope;

/// All of it, in the order in which plugins were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Additions {
    /// Options of containers.
    pub options: Vec<AddedOption>,
    /// What leads to the app.
    pub routes: Vec<AddedRoute>,
}

/// One option of containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OptionText", into = "OptionText")]
pub struct AddedOption {
    /// Who adds it.
    pub plugin: PluginName,
    /// In which phase it holds.
    pub phase: Phase,
    /// For which process types.
    pub scope: ProcessScope,
    /// The option.
    pub option: DockerOption,
}

/// A place that leads to the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RouteText", into = "RouteText")]
pub struct AddedRoute {
    /// Who adds it.
    pub plugin: PluginName,
    /// Where.
    pub place: AddedPlace,
    /// Whether the app sees paths without this one before them.
    pub strip: bool,
}

/// What `domains:add` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedPlace {
    /// A host.
    Host(Hostname),
    /// A path of one.
    Path(HostPath),
}

/// A route as text.
#[derive(Serialize, Deserialize)]
struct RouteText {
    plugin: String,
    place: String,
    strip: bool,
}

/// An option as text.
#[derive(Serialize, Deserialize)]
struct OptionText {
    plugin: String,
    phase: Phase,
    process: String,
    flag: String,
    value: Option<String>,
}

impl Additions {
    /// What some plugins add.
    #[must_use]
    pub fn of(&self, which: impl Fn(&PluginName) -> bool) -> Self {
        Self {
            options: self.options.iter().filter(|added| which(&added.plugin)).cloned().collect(),
            routes: self.routes.iter().filter(|added| which(&added.plugin)).cloned().collect(),
        }
    }
}

impl TryFrom<OptionText> for AddedOption {
    type Error = String;

    fn try_from(text: OptionText) -> Result<Self, Self::Error> {
        let option = DockerOption::from_parts(&text.flag, text.value, text.phase);
        Ok(Self {
            plugin: text.plugin.parse().map_err(words)?,
            phase: text.phase,
            scope: text.process.parse().map_err(words)?,
            option: option.map_err(words)?,
        })
    }
}

impl From<AddedOption> for OptionText {
    fn from(added: AddedOption) -> Self {
        Self {
            plugin: added.plugin.to_string(),
            phase: added.phase,
            process: added.scope.to_string(),
            flag: added.option.name().to_owned(),
            value: added.option.value().map(str::to_owned),
        }
    }
}

impl TryFrom<RouteText> for AddedRoute {
    type Error = String;

    fn try_from(text: RouteText) -> Result<Self, Self::Error> {
        let RouteText { plugin, place, strip } = text;
        Ok(Self { plugin: plugin.parse().map_err(words)?, place: place.parse().map_err(words)?, strip })
    }
}

impl From<AddedRoute> for RouteText {
    fn from(added: AddedRoute) -> Self {
        let AddedRoute { plugin, place, strip } = added;
        Self { plugin: plugin.to_string(), place: place.to_string(), strip }
    }
}

impl FromStr for AddedPlace {
    type Err = HostPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.contains('/') { Self::Path(text.parse()?) } else { Self::Host(text.parse()?) })
    }
}

impl fmt::Display for AddedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{host}"),
            Self::Path(place) => write!(f, "{place}"),
        }
    }
}

impl fmt::Display for AddedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stripped = if self.strip { ", stripped" } else { "" };
        write!(f, "{} ({}{stripped})", self.place, self.plugin)
    }
}

impl AddedOption {
    /// What it is and what it holds for, without what may be secret.
    pub fn redacted(&self) -> String {
        let Self { plugin, phase, scope, option } = self;
        let option = option.redacted();
        match scope {
            ProcessScope::Default => format!("{option} ({plugin}, {phase})"),
            ProcessScope::Only(process) => format!("{option} ({plugin}, {phase}, {process})"),
        }
    }
}

fn words(error: impl std::error::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_read_as_they_were_written() {
        let option = |words: &[&str], phase| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            DockerOption::parse(&words, phase).unwrap().remove(0)
        };
        let added = |scope: &str, phase, words: &[&str]| AddedOption {
            plugin: "gate".parse().unwrap(),
            phase,
            scope: scope.parse().unwrap(),
            option: option(words, phase),
        };
        let route = |place: &str, strip| AddedRoute {
            plugin: "gate".parse().unwrap(),
            place: place.parse().unwrap(),
            strip,
        };
        let additions = Additions {
            options: vec![
                added("web", Phase::Deploy, &["--env", "A=two words"]),
                added("_default_", Phase::Run, &["--read-only"]),
            ],
            routes: vec![route("a.example", false), route("*.example/api", true)],
        };
        let text = serde_json::to_string(&additions).unwrap();
        assert_eq!(serde_json::from_str::<Additions>(&text).unwrap(), additions);
        let shown: Vec<String> = additions.options.iter().map(AddedOption::redacted).collect();
        assert_eq!(shown, ["--env A=*** (gate, deploy, web)", "--read-only (gate, run)"]);
        let shown: Vec<String> = additions.routes.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a.example (gate)", "*.example/api (gate, stripped)"]);
        assert_eq!(serde_json::from_str::<Additions>("{}").unwrap(), Additions::default());
    }
}
