//! `app.json`: what an app asks of its platform, in Heroku's file with Dokku's keys.
//!
//! Comments and trailing commas are allowed. What is understood is read strictly, since a deploy should fail on a
//! value that nobody understands rather than run something else than was meant; keys that only other platforms know
//! are let pass, and unknown ones are told, so that a slip of the finger is seen.

mod env;
mod healthchecks;
mod node;

use std::collections::BTreeMap;

use jsonc_parser::tokens::Token;
use jsonc_parser::{CollectOptions, ParseOptions, Scanner, ScannerOptions, parse_to_ast};

use crate::formats::app_json::node::{Node, line_of};
use crate::model::app_json::{AppJson, ConcurrencyPolicy, CronEntry, FormationEntry, Scripts};
use crate::model::cron_schedule::CronSchedule;
use crate::model::process_type::{MOST_INSTANCES, ProcessType};

/// Keys of Heroku's and Dokku's that mean nothing here.
const ELSEWHERE: [&str; 13] = [
    "$schema",
    "addons",
    "description",
    "environments",
    "features",
    "image",
    "keywords",
    "logo",
    "name",
    "repository",
    "stack",
    "success_url",
    "website",
];

/// How deep objects and arrays may be nested; what is known here is five deep.
const MOST_LEVELS: usize = 64;

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What it asks for.
    pub app_json: AppJson,
    /// What the person should know about it, a sentence each.
    pub warnings: Vec<String>,
}

/// Why a text is no `app.json`: where, and what is allowed there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Invalid app.json: {}: {reason}", self.place())]
pub struct AppJsonError {
    line: usize,
    /// The key with those above it, `formation.web.quantity`; empty for the whole.
    key: String,
    reason: String,
}

impl AppJsonError {
    fn place(&self) -> String {
        let Self { line, key, .. } = self;
        if key.is_empty() { format!("line {line}") } else { format!("{key} (line {line})") }
    }
}

/// Reads the file as it lies in the repository.
pub fn parse(bytes: &[u8]) -> Result<Parsed, AppJsonError> {
    let whole = |line, reason: &str| AppJsonError { line, key: String::new(), reason: reason.to_owned() };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        whole(1 + valid.iter().filter(|byte| **byte == b'\n').count(), "it is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(offset) = too_deep(text) {
        return Err(whole(line_of(text, offset), "its objects and arrays are nested too deeply"));
    }
    let parsed =
        parse_to_ast(text, &CollectOptions::default(), &options()).map_err(|error| AppJsonError {
            line: line_of(text, error.range().start),
            key: String::new(),
            reason: format!("{}, in column {}", error.kind(), error.column_display()),
        })?;
    let value = parsed.value.ok_or_else(|| whole(1, "it is empty: write {}, or delete the file"))?;
    let mut warnings = Vec::new();
    let app_json = read(&Node::root(&value, text), &mut warnings)?;
    Ok(Parsed { app_json, warnings })
}

/// Where the values begin to be nested too deeply, if they do.
///
/// The parser calls itself for each level. It has a bound of its own, which can be more than is left of a task's
/// stack, and a stack that overflows ends the whole server. What cannot be read at all is the parser's to say.
fn too_deep(text: &str) -> Option<usize> {
    let options = options();
    let mut scanner = Scanner::new(
        text,
        &ScannerOptions {
            allow_single_quoted_strings: options.allow_single_quoted_strings,
            allow_hexadecimal_numbers: options.allow_hexadecimal_numbers,
            allow_unary_plus_numbers: options.allow_unary_plus_numbers,
            allow_bare_decimal_point_numbers: options.allow_bare_decimal_point_numbers,
            allow_non_finite_numbers: options.allow_non_finite_numbers,
            allow_extended_string_escapes: options.allow_extended_string_escapes,
        },
    );
    let mut depth = 0_usize;
    while let Ok(Some(token)) = scanner.scan() {
        match token {
            Token::OpenBrace | Token::OpenBracket => depth += 1,
            Token::CloseBrace | Token::CloseBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_LEVELS {
            return Some(scanner.token_start());
        }
    }
    None
}

/// JSON with comments and trailing commas; nothing else of what people call JSON.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn read(root: &Node<'_>, warnings: &mut Vec<String>) -> Result<AppJson, AppJsonError> {
    let mut fields = root.object()?;
    let app_json = AppJson {
        formation: fields.take("formation", |node| formation(node, warnings))?.unwrap_or_default(),
        scripts: fields.take("scripts", |node| scripts(node, warnings))?.unwrap_or_default(),
        env: fields.take("env", |node| env::read(node, warnings))?.unwrap_or_default(),
        cron: fields.take("cron", |node| cron(node, warnings))?.unwrap_or_default(),
        healthchecks: fields
            .take("healthchecks", |node| healthchecks::read(node, warnings))?
            .unwrap_or_default(),
        buildpacks: fields.take("buildpacks", |node| buildpacks(node, warnings))?.unwrap_or_default(),
    };
    fields.ignore(&ELSEWHERE);
    fields.warn_of_rest(warnings);
    Ok(app_json)
}

/// The entries of an object whose keys are process types.
fn by_process_type<'a>(node: &Node<'a>) -> Result<Vec<(ProcessType, Node<'a>)>, AppJsonError> {
    let entry = |(name, node): (String, Node<'a>)| match name.parse::<ProcessType>() {
        Ok(process_type) if process_type.is_release() => {
            Err(node.error("the release task is run once and has no instances"))
        }
        Ok(process_type) => Ok((process_type, node)),
        Err(error) => Err(node.error(error)),
    };
    node.object()?.into_entries().into_iter().map(entry).collect()
}

fn formation(
    node: &Node<'_>,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<ProcessType, FormationEntry>, AppJsonError> {
    let mut formation = BTreeMap::new();
    for (process_type, node) in by_process_type(node)? {
        let mut fields = node.object()?;
        let entry = FormationEntry {
            quantity: fields.take("quantity", |node| node.whole(0, MOST_INSTANCES))?,
            max_parallel: fields.take("max_parallel", |node| node.whole(1, MOST_INSTANCES))?,
        };
        // Heroku's size of a dyno; limits are set with `resource:limit` here.
        fields.ignore(&["size"]);
        fields.warn_of_rest(warnings);
        formation.insert(process_type, entry);
    }
    Ok(formation)
}

fn scripts(node: &Node<'_>, warnings: &mut Vec<String>) -> Result<Scripts, AppJsonError> {
    let mut fields = node.object()?;
    let mut scripts = Scripts {
        predeploy: fields.take("predeploy", script)?,
        postdeploy: None,
        // Heroku runs it once, when the app is made.
        first_deploy: fields.take("postdeploy", script)?,
    };
    fields.take("dokku", |node| {
        let mut fields = node.object()?;
        if let Some(predeploy) = fields.take("predeploy", script)?
            && scripts.predeploy.replace(predeploy).is_some()
        {
            return Err(node.error("there is a predeploy in it and one in scripts: leave one out"));
        }
        scripts.postdeploy = fields.take("postdeploy", script)?;
        fields.warn_of_rest(warnings);
        Ok(())
    })?;
    // What Heroku runs in its own test and review apps.
    fields.ignore(&["test", "test-setup", "pr-predestroy"]);
    fields.warn_of_rest(warnings);
    Ok(scripts)
}

/// A command, or Heroku's object of a command and the size of the dyno it runs on.
fn script(node: &Node<'_>) -> Result<String, AppJsonError> {
    if !node.is_object() {
        return node.text();
    }
    let mut fields = node.object()?;
    let command = fields.take("command", |node| node.text())?;
    command.ok_or_else(|| node.error("it has no command"))
}

fn cron(node: &Node<'_>, warnings: &mut Vec<String>) -> Result<Vec<CronEntry>, AppJsonError> {
    let mut entries = Vec::new();
    for node in node.array()? {
        let mut fields = node.object()?;
        let command = fields.take("command", |node| node.text())?;
        let schedule = fields.take("schedule", schedule)?;
        entries.push(CronEntry {
            command: command.ok_or_else(|| node.error("it has no command"))?,
            schedule: schedule.ok_or_else(|| node.error("it has no schedule"))?,
            concurrency_policy: fields.take("concurrency_policy", policy)?.unwrap_or_default(),
            maintenance: fields.take("maintenance", |node| node.boolean())?.unwrap_or(false),
        });
        fields.warn_of_rest(warnings);
    }
    Ok(entries)
}

/// Kept as it was written, since a task's id is made of it.
fn schedule(node: &Node<'_>) -> Result<String, AppJsonError> {
    let text = node.text()?;
    match text.parse::<CronSchedule>() {
        Ok(_) => Ok(text),
        Err(reason) => Err(node.wrong(format_args!("a schedule: {reason}"))),
    }
}

fn policy(node: &Node<'_>) -> Result<ConcurrencyPolicy, AppJsonError> {
    match node.text()?.as_str() {
        "allow" => Ok(ConcurrencyPolicy::Allow),
        "forbid" => Ok(ConcurrencyPolicy::Forbid),
        "replace" => Ok(ConcurrencyPolicy::Replace),
        _ => Err(node.wrong("one of allow, forbid and replace")),
    }
}

fn buildpacks(node: &Node<'_>, warnings: &mut Vec<String>) -> Result<Vec<String>, AppJsonError> {
    let mut urls = Vec::new();
    for node in node.array()? {
        if !node.is_object() {
            urls.push(node.text()?);
            continue;
        }
        let mut fields = node.object()?;
        let url = fields.take("url", |node| node.text())?;
        urls.push(url.ok_or_else(|| node.error("it has no url"))?);
        fields.warn_of_rest(warnings);
    }
    Ok(urls)
}

#[cfg(test)]
mod tests;
