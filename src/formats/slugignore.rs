//! `.slugignore`: which files of a source buildpacks do not see, and so no app has.
//!
//! By Heroku's rules, which are those of `.gitignore` (gitignore(5)) without exceptions: a pattern without a slash is
//! looked for in every directory, one with a slash is looked for from the top, a slash at the end means directories
//! only, and with a directory goes all that is in it.

use crate::formats::path_pattern::{PathPattern, PathPatternError};

/// The rules of one `.slugignore`. The default ignores nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlugIgnore {
    rules: Vec<Rule>,
    /// The lines that have no effect, with why; to be told to the person.
    pub warnings: Vec<String>,
}

/// A line that is no pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Invalid .slugignore: line {line}: {reason}")]
pub struct SlugIgnoreError {
    line: usize,
    reason: PathPatternError,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: PathPattern,
    only_directories: bool,
}

impl SlugIgnore {
    /// Reads a `.slugignore`. Bytes that are not UTF-8 match nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, SlugIgnoreError> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut parsed = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            if line.starts_with('!') {
                let warning = format!(
                    ".slugignore: line {line_number}: there are no exceptions (!) as there are in .gitignore; it has no effect"
                );
                parsed.warnings.push(warning);
                continue;
            }
            let rule = Rule::parse(line).map_err(|reason| SlugIgnoreError { line: line_number, reason })?;
            parsed.rules.extend(rule);
        }
        Ok(parsed)
    }

    /// Whether a file stays out. The path is relative to the source, with slashes.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.matches(path, false)
    }

    /// Whether a directory stays out, with all that is in it.
    pub fn is_directory_ignored(&self, path: &str) -> bool {
        self.matches(path, true)
    }

    fn matches(&self, path: &str, is_directory: bool) -> bool {
        let directories = path.match_indices('/').filter_map(|(index, _)| path.get(..index));
        let matched = |path: &str, is_directory: bool| {
            let rules = self.rules.iter().filter(|rule| is_directory || !rule.only_directories);
            rules.into_iter().any(|rule| rule.pattern.matches(path))
        };
        matched(path, is_directory) || directories.into_iter().any(|directory| matched(directory, true))
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Option<Self>, PathPatternError> {
        let line = without_blanks_at_the_end(line);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (line, only_directories) = match line.strip_suffix('/') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let (line, is_anchored) = match line.strip_prefix('/') {
            Some(line) => (line, true),
            None => (line, line.contains('/')),
        };
        if line.is_empty() {
            return Ok(None);
        }
        // A shell's way of saying what the patterns here write with a `^`.
        let line = line.replace("[!", "[^");
        let pattern = if is_anchored { line } else { format!("**/{line}") };
        Ok(Some(Self { pattern: PathPattern::compile(&pattern)?, only_directories }))
    }
}

/// A blank at the end counts only behind a backslash.
fn without_blanks_at_the_end(line: &str) -> &str {
    let trimmed = line.trim_end_matches([' ', '\t', '\r']);
    match line.get(trimmed.len()..).unwrap_or_default().chars().next() {
        Some(blank @ (' ' | '\t')) if trimmed.ends_with('\\') => {
            line.get(..trimmed.len() + blank.len_utf8()).unwrap_or(trimmed)
        }
        _ => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_ignored_by_gitignores_rules() {
        for (rules, path, expected) in [
            ("", "a", false),
            ("# a\n\n", "a", false),
            ("\\#a", "#a", true),
            ("a", "a", true),
            ("a", "b/a", true),
            ("a", "b/a/c/d", true),
            ("a", "ab", false),
            ("/a", "a", true),
            ("/a", "b/a", false),
            ("b/a", "b/a", true),
            ("b/a", "c/b/a", false),
            ("a/", "a", false),
            ("a/", "a/b", true),
            ("a/", "c/a/b", true),
            ("*.psd", "art/logo.psd", true),
            ("/*.psd", "art/logo.psd", false),
            ("docs/*.md", "docs/a.md", true),
            ("docs/*.md", "docs/b/a.md", false),
            ("docs/**/a.md", "docs/a.md", true),
            ("docs/**/a.md", "docs/b/c/a.md", true),
            ("**/spec", "lib/spec/x.rb", true),
            ("spec/**", "spec/x/y.rb", true),
            ("spec/**", "spec", false),
            ("a?.txt", "ab.txt", true),
            ("[!b]x", "ax", true),
            ("[!b]x", "bx", false),
            ("[!b]x", "!x", true),
            ("a  \r\n", "a", true),
            ("a\\ ", "a ", true),
            ("/", "a", false),
            ("\u{feff}a", "a", true),
        ] {
            let ignore = SlugIgnore::parse(rules.as_bytes()).unwrap();
            assert_eq!(ignore.is_ignored(path), expected, "{rules:?} on {path}");
        }
    }

    #[test]
    fn a_directory_goes_as_a_whole() {
        let ignore = SlugIgnore::parse(b"test/\n*.tmp\n").unwrap();
        assert!(ignore.is_directory_ignored("test") && ignore.is_directory_ignored("a/test"));
        assert!(ignore.is_directory_ignored("x.tmp") && !ignore.is_directory_ignored("tests"));
    }

    #[test]
    fn an_exception_has_no_effect_and_is_told_and_a_wrong_line_is_named() {
        let ignore = SlugIgnore::parse(b"*.log\n!keep.log\n").unwrap();
        assert!(ignore.is_ignored("keep.log"));
        assert!(ignore.warnings[0].contains("line 2") && ignore.warnings.len() == 1);
        let error = SlugIgnore::parse(b"a\n[b\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
