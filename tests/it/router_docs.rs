//! `docs/router.md`: its table of settings is made from the code, and its table of codes has each of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use slipway::requests::catalogue::{default, settings};

const BEGIN: &str = "<!-- settings: made from the code by a test, do not edit -->\n";
const END: &str = "<!-- end of settings -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/router.md")).unwrap()
}

fn table() -> String {
    let mut table = String::from("| property | default | what | example |\n| --- | --- | --- | --- |\n");
    for setting in settings() {
        let default = default(setting);
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        table += &format!("| `{}` | {default} | {} | `{}` |\n", setting.key, setting.about, setting.example);
    }
    table
}

/// `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_table_of_settings_is_in_step() {
    let page = page();
    let (before, rest) = page.split_once(BEGIN).expect("the page has the table's beginning");
    let (found, after) = rest.split_once(END).expect("the page has the table's end");
    let wanted = table();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join("docs/router.md"), [before, BEGIN, &wanted, END, after].concat()).unwrap();
    } else {
        assert!(found == wanted, "run UPDATE_DOCS=1 cargo nextest run --workspace table_of_settings");
    }
}

/// The texts of the function that gives each fault its code.
fn codes() -> BTreeSet<String> {
    let source = fs::read_to_string(root().join("router/src/fault.rs")).unwrap();
    let (_, rest) = source.split_once("fn code(self)").unwrap();
    let (body, _) = rest.split_once("\n    }\n").unwrap();
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_table_of_codes_has_each_code() {
    let codes = codes();
    assert!(codes.contains("H12") && codes.contains("unknown-host"), "{codes:?}");
    let page = page();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> =
        rows.filter_map(|row| row.split_once("` |")).map(|(code, _)| code).collect();
    let missing: Vec<&String> = codes.iter().filter(|code| !documented.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "docs/router.md lacks {missing:?}");
}
