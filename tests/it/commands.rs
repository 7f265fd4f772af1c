//! Walks every command: help text, scope, role, and the generated reference.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use slipway::commands::Entry;
use slipway::commands::Scope;
use slipway::commands::dispatch::authorize;
use slipway::commands::registry::{COMMANDS, SERVICE, namespace};
use slipway::model::role::{AppAccess, Caller, Role};

fn caller(role: Role, access: AppAccess) -> Caller {
    Caller { name: "ann".to_owned(), fingerprint: Some("SHA256:x".to_owned()), role, access, pass: None }
}

/// All of them, those that each engine has under its own name among them.
fn every_command() -> impl Iterator<Item = &'static Entry> {
    COMMANDS.iter().chain(SERVICE)
}

#[test]
fn every_command_and_every_argument_has_help() {
    for entry in every_command() {
        let parser = entry.parser();
        assert!(parser.get_about().is_some(), "{} has no help text", entry.name);
        for argument in parser.get_arguments().filter(|argument| argument.get_id() != "help") {
            assert!(argument.get_help().is_some(), "{} {} has no help text", entry.name, argument.get_id());
        }
    }
}

#[test]
fn names_are_unique_and_parsers_are_sound() {
    let mut names: Vec<&str> = every_command()
        .flat_map(|entry| [entry.name].into_iter().chain(entry.aliases.iter().copied()))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for entry in every_command() {
        entry.parser().debug_assert();
    }
}

#[test]
fn no_command_can_be_matched_by_a_part_of_its_name() {
    for entry in COMMANDS {
        for end in 1..entry.name.len() {
            let part = &entry.name[..end];
            let found = slipway::commands::registry::find(part);
            assert!(found.is_none_or(|found| found.name == part || found.aliases.contains(&part)), "{part}");
        }
    }
}

/// Who may run what, as a table that a reviewer sees change.
#[test]
fn every_role_opens_what_it_should_and_nothing_else() {
    let one_app = AppAccess::Only(vec!["blog".parse().unwrap()]);
    let callers = [
        ("viewer", caller(Role::Viewer, AppAccess::All)),
        ("deployer", caller(Role::Deployer, AppAccess::All)),
        ("deployer of one app", caller(Role::Deployer, one_app)),
        ("admin", caller(Role::Admin, AppAccess::All)),
        ("host", Caller::host()),
    ];
    let mut table = String::new();
    for entry in every_command() {
        let open: Vec<&str> = callers
            .iter()
            .filter(|(_, caller)| authorize(entry, caller).is_ok())
            .map(|(name, _)| *name)
            .collect();
        writeln!(table, "{} ({:?}): {}", entry.name, entry.scope, open.join(", ")).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_acts_on_the_server_is_closed_to_keys_for_one_app() {
    let limited = caller(Role::Admin, AppAccess::Only(vec!["blog".parse().unwrap()]));
    for entry in every_command().filter(|entry| entry.scope == Scope::Server) {
        assert!(authorize(entry, &limited).is_err(), "{}", entry.name);
    }
}

/// `docs/commands.md` is made from the code; `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_command_reference_is_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let wanted = reference();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/commands.md is out of step: run UPDATE_DOCS=1 cargo nextest run command_reference"
    );
}

fn reference() -> String {
    let mut text = String::from(
        "# Commands\n\nMade from the code by a test; do not edit. Run each as `ssh -p 2222 slipway@HOST COMMAND`, or on the host as `slipway COMMAND`.\n\n\
         Exit status: 0 for success, 20 for an app that does not exist, 1 for other errors; `run` and `enter` end with the command's own.\n\
         `--quiet` before a command hides headers and progress; `--app APP` before a command stands for its first argument.\n",
    );
    let mut last = "";
    for entry in every_command().filter(|entry| !entry.hidden) {
        let current = namespace(entry.name);
        if current != last {
            write!(text, "\n## {current}\n").unwrap();
            if current == "service" {
                text.push_str("\nEach engine has these under its own name: `mysql:create`, `redis:create` ([services](services.md)).\n");
            }
            last = current;
        }
        let mut parser = entry.parser();
        let about = parser.get_about().map(ToString::to_string).unwrap_or_default();
        let usage = parser.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        write!(text, "\n### {}\n\n{about}.\n\n```\n{usage}\n```\n\n", entry.name).unwrap();
        for argument in parser.get_arguments().filter(|argument| argument.get_id() != "help") {
            let name = match (argument.get_long(), argument.get_short()) {
                (Some(long), Some(short)) => format!("-{short}, --{long}"),
                (Some(long), None) => format!("--{long}"),
                _ => {
                    argument.get_value_names().map_or(argument.get_id().to_string(), |names| names.join(" "))
                }
            };
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            writeln!(text, "- `{name}`: {help}").unwrap();
        }
        writeln!(text, "- Needs: role {}, scope {}", entry.role, scope(entry.scope)).unwrap();
    }
    text
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Anyone => "anyone",
        Scope::App => "one app",
        Scope::Apps => "your apps",
        Scope::AppOrServer => "one app, or a key for all apps with --global",
        Scope::Service => "a service that is linked to one of your apps, or a key for all apps",
        Scope::Server => "a key for all apps",
        Scope::Host => "the host itself",
    }
}
