//! What came of a fixture against what was expected: a sentence for each difference.

use std::collections::BTreeMap;

use crate::trial::fixture::{Expectation, RunExpectation};

/// What came of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether `bin/detect` said yes.
    pub detected: bool,
    /// The status: that of `bin/compile`, or 1 for everything else that went wrong.
    pub status: i64,
    /// What was printed, with the reason of a failure at the end.
    pub output: String,
    /// What `bin/release` said.
    pub release: BTreeMap<String, String>,
}

/// What a first build gave, and not what it was to give.
pub fn build(expected: &Expectation, found: &Outcome) -> Vec<String> {
    let mut differences = Vec::new();
    if expected.detect != found.detected {
        let says = |yes| if yes { "yes" } else { "no" };
        differences.push(format!(
            "bin/detect: expected {}, found {}",
            says(expected.detect),
            says(found.detected)
        ));
    }
    if expected.detect && found.detected {
        differences.extend(status("the build", expected.status, found.status));
    }
    differences.extend(texts("the output", &expected.output, &expected.not_output, &found.output));
    if let Some(release) = expected.release.as_ref().filter(|_| found.status == 0) {
        differences.extend(maps(release, &found.release));
    }
    differences
}

/// A status that is not the one that was expected.
pub fn status(what: &str, expected: i64, found: i64) -> Option<String> {
    (expected != found).then(|| format!("{what}: expected status {expected}, found {found}"))
}

/// Texts that are missing, and those that should be.
pub fn texts(what: &str, wanted: &[String], unwanted: &[String], found: &str) -> Vec<String> {
    let missing = wanted.iter().filter(|text| !found.contains(text.as_str()));
    let missing = missing.map(|text| format!("{what} lacks {text:?}"));
    let present = unwanted.iter().filter(|text| found.contains(text.as_str()));
    missing.chain(present.map(|text| format!("{what} has {text:?}, which it should not"))).collect()
}

/// What a command line in the image printed, and how it ended.
pub fn run(expected: &RunExpectation, status_found: i64, output: &str) -> Vec<String> {
    let what = format!("`{}`", expected.command);
    let mut differences: Vec<String> = status(&what, expected.status, status_found).into_iter().collect();
    differences.extend(texts(
        &format!("the output of {what}"),
        &expected.output,
        &expected.not_output,
        output,
    ));
    if !differences.is_empty() {
        differences.extend(output.lines().take(20).map(|line| format!("    | {line}")));
    }
    differences
}

/// Lines of what is missing and of what is too much, as `diff` has them.
fn maps(expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    if expected == found {
        return Vec::new();
    }
    let lines = |sign: char, one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        let differing = one.iter().filter(|(key, value)| other.get(*key) != Some(value));
        differing.map(|(key, value)| format!("    {sign} {key}: {value}")).collect::<Vec<_>>()
    };
    let mut differences = vec!["bin/release (- expected, + found):".to_owned()];
    differences.extend(lines('-', expected, found));
    differences.extend(lines('+', found, expected));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(output: &str, status: i64) -> Outcome {
        let release = BTreeMap::from([("web".to_owned(), "b".to_owned())]);
        Outcome { detected: true, status, output: output.to_owned(), release }
    }

    #[test]
    fn what_is_as_expected_gives_nothing() {
        let expected = Expectation {
            output: vec!["ab".to_owned()],
            not_output: vec!["x".to_owned()],
            release: Some(BTreeMap::from([("web".to_owned(), "b".to_owned())])),
            ..Expectation::default()
        };
        assert_eq!(build(&expected, &found("-- abc", 0)), Vec::<String>::new());
        let no = Expectation { detect: false, ..Expectation::default() };
        assert_eq!(build(&no, &Outcome { status: 1, ..Outcome::default() }), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_named() {
        let expected = Expectation {
            status: 3,
            output: vec!["missing".to_owned()],
            not_output: vec!["abc".to_owned()],
            ..Expectation::default()
        };
        let differences = build(&expected, &found("abc", 0));
        assert_eq!(differences.len(), 3, "{differences:?}");
        assert_eq!(differences[0], "the build: expected status 3, found 0");
        let release = BTreeMap::from([("web".to_owned(), "a".to_owned())]);
        let expected = Expectation { release: Some(release), ..Expectation::default() };
        let differences = build(&expected, &found("", 0));
        assert_eq!(differences[1..], ["    - web: a", "    + web: b"]);
        let no = Expectation { detect: false, ..Expectation::default() };
        assert_eq!(build(&no, &found("", 0)), ["bin/detect: expected no, found yes"]);
    }
}
