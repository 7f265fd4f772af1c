//! The import table of ARCHITECTURE.md, enforced: imports run one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module of `src/` and what it may import. `ARCHITECTURE.md` holds the same table for people.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &[]),
    ("console", &[]),
    ("process", &[]),
    ("handover", &[]),
    ("formats", &["model"]),
    ("settings", &["model"]),
    ("face", &["console", "model"]),
    ("store", &["clock", "model"]),
    ("docker", &["model"]),
    ("git", &["formats", "model", "process"]),
    ("plugin", &["formats", "model", "process"]),
    ("build", &["console", "docker", "formats", "git", "model"]),
    ("release", &["model", "store"]),
    ("acme", &["model", "process"]),
    ("requests", &["model"]),
    ("run", &["console", "docker", "formats", "handover", "model", "store"]),
    ("logs", &["clock", "docker", "model", "store"]),
    ("drains", &["clock", "logs", "model", "store"]),
    ("hooks", &["clock", "console", "formats", "model", "plugin", "process", "store"]),
    ("backups", &["model"]),
    ("forward", &["model"]),
    (
        "app",
        &[
            "build", "console", "docker", "drains", "forward", "git", "handover", "hooks", "logs", "model",
            "plugin", "run", "settings", "store",
        ],
    ),
    ("certificates", &["app", "clock", "model", "store"]),
    ("urls", &["app", "certificates", "model", "store"]),
    ("command_error", &["docker", "git", "model", "store"]),
    (
        "issuance",
        &["acme", "app", "clock", "command_error", "console", "hooks", "logs", "model", "store", "urls"],
    ),
    (
        "deploy",
        &[
            "app",
            "build",
            "command_error",
            "console",
            "docker",
            "formats",
            "git",
            "hooks",
            "logs",
            "model",
            "release",
            "run",
            "store",
            "urls",
        ],
    ),
    (
        "services",
        &[
            "app",
            "backups",
            "clock",
            "command_error",
            "console",
            "deploy",
            "docker",
            "formats",
            "forward",
            "hooks",
            "logs",
            "model",
            "plugin",
            "run",
            "store",
            "urls",
        ],
    ),
    ("cron", &["app", "clock", "docker", "hooks", "model", "run", "store", "urls"]),
    (
        "upkeep",
        &[
            "app",
            "build",
            "clock",
            "command_error",
            "deploy",
            "docker",
            "hooks",
            "model",
            "services",
            "store",
            "urls",
        ],
    ),
    (
        "reconcile",
        &[
            "app",
            "certificates",
            "clock",
            "command_error",
            "console",
            "cron",
            "deploy",
            "docker",
            "hooks",
            "issuance",
            "logs",
            "model",
            "requests",
            "run",
            "services",
            "store",
            "upkeep",
            "urls",
        ],
    ),
    (
        "commands",
        &[
            "acme",
            "app",
            "backups",
            "build",
            "certificates",
            "clock",
            "command_error",
            "console",
            "cron",
            "deploy",
            "docker",
            "drains",
            "formats",
            "forward",
            "git",
            "hooks",
            "issuance",
            "logs",
            "model",
            "plugin",
            "process",
            "requests",
            "run",
            "services",
            "store",
            "upkeep",
            "urls",
        ],
    ),
    ("ssh", &["console", "face", "model", "settings"]),
    ("socket", &["console", "face", "model"]),
    ("webhook", &[]),
    ("trial", &["build", "console", "docker", "git", "model", "run", "settings"]),
    ("cli", &["console", "face", "settings", "socket"]),
    (
        "server",
        &[
            "app",
            "build",
            "certificates",
            "clock",
            "commands",
            "console",
            "docker",
            "drains",
            "face",
            "forward",
            "git",
            "handover",
            "hooks",
            "logs",
            "model",
            "plugin",
            "process",
            "reconcile",
            "run",
            "services",
            "settings",
            "socket",
            "ssh",
            "store",
            "upkeep",
        ],
    ),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The first component of a path below `src/`: `docker` for `docker.rs` and for all in `docker/`.
fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(root()).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// What stands behind each `crate::` in a source, comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>())
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn imports_run_one_way() {
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let mut wrong = Vec::new();
    for path in files {
        let module = module_of(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed = table.get(module.as_str()).unwrap_or_else(|| panic!("{module} is not in the table"));
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed by the table:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_has_no_cycles() {
    // Each module may only import those that stand above it.
    for (index, (module, allowed)) in TABLE.iter().enumerate() {
        for import in *allowed {
            let position = TABLE.iter().position(|(name, _)| name == import);
            assert!(position.is_some_and(|position| position < index), "{module} may import {import}");
        }
    }
}

#[test]
fn only_the_adapters_see_the_outside() {
    let owners = [
        ("bollard", "docker"),
        ("rusqlite", "store"),
        ("git2", "git"),
        ("tokio::process", "process"),
        ("std::process::Command", "process"),
    ];
    let mut files = Vec::new();
    sources(&root(), &mut files);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
        for (name, owner) in owners {
            let uses = code
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(&format!("{name}::")));
            assert!(!uses || module_of(&path) == owner, "{} uses {name}", path.display());
        }
    }
}

#[test]
fn architecture_md_holds_the_same_table() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for (module, allowed) in TABLE {
        let cell = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(" ") };
        let row = format!("| `{module}` | {cell} |");
        assert!(text.contains(&row), "ARCHITECTURE.md lacks the row\n{row}");
    }
}
