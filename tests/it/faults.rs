//! The table of faults in docs/operations.md: each row names a test, and the test is there.

use std::fs;
use std::path::Path;

/// The tests that the table names, as module and function.
fn named(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().skip_while(|line| !line.starts_with("| fault |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let test = row.trim_end_matches([' ', '|', '`']).rsplit('`').next().unwrap_or_default();
        let (module, function) = test.split_once("::").unwrap_or_else(|| panic!("no test in: {row}"));
        (module.to_owned(), function.to_owned())
    })
    .collect()
}

#[test]
fn each_fault_that_is_documented_is_injected_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let faults = named(&fs::read_to_string(root.join("docs/operations.md")).unwrap());
    assert!(faults.len() > 20, "{faults:?}");
    for (module, function) in faults {
        let path = root.join(format!("tests/e2e/{module}.rs"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("#[test]\nfn {function}() {{")), "{module} has no test {function}");
    }
}
