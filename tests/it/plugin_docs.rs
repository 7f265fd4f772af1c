//! `docs/plugins.md`: what is made from the code is in step, and its examples are what they say.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use slipway::formats::plugin_toml;
use slipway::model::hook::contract::{Addition, CONTRACTS, Kind};

const BEGIN: &str = "<!-- Made from the code by a test: hooks -->\n";
const END: &str = "<!-- The end of what is made from the code -->\n";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plugins.md")
}

/// `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_table_of_hooks_is_in_step() {
    let found = fs::read_to_string(path()).unwrap();
    let (before, rest) = found.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!("{before}{BEGIN}{}\n{END}{after}", hooks());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(), &wanted).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "docs/plugins.md is out of step: run UPDATE_DOCS=1 cargo nextest run plugin_docs"
    );
}

#[test]
fn the_example_of_a_manifest_is_one() {
    let text = fs::read_to_string(path()).unwrap();
    let example = text.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let manifest = plugin_toml::parse(example).unwrap();
    assert_eq!((manifest.plugin.name.as_str(), manifest.settings.len()), ("gate", 2));
}

fn hooks() -> String {
    let mut text = String::new();
    for contract in CONTRACTS {
        let kind = match contract.kind {
            Kind::Watches => "watches",
            Kind::Vetoes => "may veto",
            Kind::Takes => "may take it, or veto",
            Kind::Adds(Addition::BuildArguments) => "adds `build_arguments`, may veto",
            Kind::Adds(Addition::ReleaseParts) => "adds `config`, `container_options` and `routes`, may veto",
            Kind::Adds(Addition::Findings) => "adds `findings`",
        };
        let arguments = match contract.arguments {
            [] => "none".to_owned(),
            some => format!("`{}`", some.join(" ")),
        };
        writeln!(text, "\n### {}\n", contract.hook).unwrap();
        writeln!(text, "When {}.\n", contract.when).unwrap();
        writeln!(text, "- Kind: {kind}; {} s", contract.seconds).unwrap();
        writeln!(text, "- Arguments: {arguments}").unwrap();
        if contract.fields.is_empty() {
            writeln!(text, "- JSON: `hook` only").unwrap();
            continue;
        }
        let fields: Vec<String> =
            contract.fields.iter().map(|(name, what)| format!("`{name}` ({what})")).collect();
        writeln!(text, "- JSON: {}", fields.join(", ")).unwrap();
    }
    text
}
