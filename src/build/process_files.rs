//! What a source says of its own processes: the Procfile, app.json, and CHECKS. Read before the minutes of a build, so that
//! what is wrong in them is found first.

use std::collections::BTreeMap;

use crate::build::{BuildOptions, BuildOrder, BuildStageError, checks};
use crate::formats::app_json;
use crate::formats::procfile::{self, Procfile};
use crate::model::app_json::AppJson;
use crate::model::process_type::ProcessType;
use crate::model::release::ProcessCommand;

/// The processes of an app, and what it asks for around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFiles {
    /// Its process types.
    pub processes: BTreeMap<ProcessType, ProcessCommand>,
    /// What its `app.json` asks for.
    pub app_json: AppJson,
}

/// The files as a source has them.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The Procfile, if there is one.
    pub procfile: Option<Vec<u8>>,
    /// The app.json, if there is one.
    pub app_json: Option<Vec<u8>>,
    /// The legacy CHECKS file, if there is one.
    pub checks: Option<Vec<u8>>,
}

/// Where the legacy CHECKS file is looked for, below the build directory.
pub const CHECKS: &str = "CHECKS";

/// Where the Procfile is looked for, below the build directory.
pub fn procfile_path(options: &BuildOptions) -> &str {
    options.procfile.as_deref().unwrap_or("Procfile")
}

/// Where the app.json is looked for, below the build directory.
pub fn app_json_path(options: &BuildOptions) -> &str {
    options.app_json.as_deref().unwrap_or("app.json")
}

/// Reads the files and warns of what has no effect.
pub async fn read(order: &BuildOrder<'_>, contents: Contents) -> Result<ProcessFiles, BuildStageError> {
    check_paths(order, &contents)?;
    let processes = processes(contents.procfile, order.options.start_command.as_deref())?;
    let app_json = app_json(order, contents.app_json, contents.checks, &processes).await?;
    Ok(ProcessFiles { processes, app_json })
}

/// The same for an image that buildpacks make: they may say what is run where the Procfile does not.
pub async fn read_lines(
    order: &BuildOrder<'_>,
    contents: Contents,
    defaults: BTreeMap<ProcessType, String>,
) -> Result<ProcessFiles, BuildStageError> {
    let mut processes = lines(defaults);
    match (contents.procfile, &order.options.start_command) {
        (Some(bytes), _) => {
            let commands = Procfile::parse(&bytes)?.commands.into_iter();
            processes.extend(lines(commands.map(|(name, command)| (name, command.text))));
        }
        (None, Some(command)) => processes.extend(lines([(ProcessType::web(), command.clone())])),
        (None, None) => {}
    }
    // What a buildpack's fixture is tried for need not be an app that can be started.
    if processes.is_empty() && order.tested.is_none() {
        return Err(BuildStageError::NoProcess);
    }
    let app_json = app_json(order, contents.app_json, contents.checks, &processes).await?;
    Ok(ProcessFiles { processes, app_json })
}

fn lines(commands: impl IntoIterator<Item = (ProcessType, String)>) -> BTreeMap<ProcessType, ProcessCommand> {
    commands.into_iter().map(|(name, line)| (name, ProcessCommand::Line(line))).collect()
}

/// What app.json and CHECKS ask for; warns of what has no effect.
async fn app_json(
    order: &BuildOrder<'_>,
    app_json: Option<Vec<u8>>,
    checks: Option<Vec<u8>>,
    processes: &BTreeMap<ProcessType, ProcessCommand>,
) -> Result<AppJson, BuildStageError> {
    let parsed = app_json.map(|bytes| app_json::parse(&bytes)).transpose()?;
    let app_json::Parsed { app_json, warnings } = parsed.unwrap_or_default();
    for warning in warnings.iter().chain(&unknown_types(&app_json, processes)) {
        order.console.warn(warning).await;
    }
    checks::add(order, app_json, checks).await
}

/// A file that was looked for at a path of the person's has to be there.
pub fn check_paths(order: &BuildOrder<'_>, contents: &Contents) -> Result<(), BuildStageError> {
    let options = &order.options;
    let missing = |path: Option<&String>, found: bool, property: &'static str| match path {
        Some(path) if !found => Err(BuildStageError::NoProcessFile {
            app_name: order.app_name.clone(),
            path: path.clone(),
            property,
        }),
        _ => Ok(()),
    };
    missing(options.procfile.as_ref(), contents.procfile.is_some(), "ps:set procfile-path")?;
    missing(options.app_json.as_ref(), contents.app_json.is_some(), "app-json:set appjson-path")
}

/// The process types: those of the Procfile, and a `web` that is the image's own command, or the start command that
/// was set, if there is no Procfile.
fn processes(
    procfile: Option<Vec<u8>>,
    start_command: Option<&str>,
) -> Result<BTreeMap<ProcessType, ProcessCommand>, BuildStageError> {
    if let Some(bytes) = procfile {
        let commands = Procfile::parse(&bytes)?.commands.into_iter();
        return Ok(commands
            .map(|(name, command)| (name, ProcessCommand::Arguments(command.words)))
            .collect());
    }
    let words = start_command.and_then(procfile::split).filter(|words| !words.is_empty());
    let command = words.map_or(ProcessCommand::Image, ProcessCommand::Arguments);
    Ok(BTreeMap::from([(ProcessType::web(), command)]))
}

/// What app.json says of process types that there are not, a sentence each.
fn unknown_types(app_json: &AppJson, processes: &BTreeMap<ProcessType, ProcessCommand>) -> Vec<String> {
    let formation = app_json.formation.keys().map(|name| ("formation", name));
    let checks = app_json.healthchecks.keys().map(|name| ("healthchecks", name));
    let unknown = formation.chain(checks).filter(|(_, name)| !processes.contains_key(*name));
    unknown.map(|(key, name)| format!("app.json: {key}.{name}: the app has no process type {name}")).collect()
}
