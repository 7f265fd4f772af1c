//! `.dockerignore`: which files of a build context stay at home.
//!
//! By moby's rules: one pattern a line, `#` comments, `!` exceptions, the last match wins, and a path is also
//! matched by what matches one of its directories. Unlike `.gitignore`, a pattern without a slash is not looked for
//! in every directory, and an exception may bring back a file of an ignored directory.

use crate::formats::path_pattern::{PathPattern, PathPatternError, clean};

/// The rules of one `.dockerignore`. The default ignores nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerIgnore {
    rules: Vec<Rule>,
}

/// A line that is no pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Invalid .dockerignore: line {line}: {reason}")]
pub struct DockerIgnoreError {
    line: usize,
    reason: Reason,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Reason {
    #[error("an exception needs a pattern behind its `!`")]
    EmptyException,
    #[error(transparent)]
    Pattern(#[from] PathPatternError),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    is_exception: bool,
    pattern: PathPattern,
}

impl DockerIgnore {
    /// Reads a `.dockerignore`.
    ///
    /// `kept` are files that stay in the context whatever the rules say: the Dockerfile that is built and the
    /// `.dockerignore` itself, since the engine reads both from there. Bytes that are not UTF-8 match nothing.
    pub fn parse(bytes: &[u8], kept: &[&str]) -> Result<Self, DockerIgnoreError> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let rule = parse_line(line).map_err(|reason| DockerIgnoreError { line: index + 1, reason })?;
            rules.extend(rule);
        }
        rules.extend(kept.iter().map(|path| Rule { is_exception: true, pattern: PathPattern::exact(path) }));
        Ok(Self { rules })
    }

    /// Whether a file stays out of the context. The path is relative to the context, with slashes.
    pub fn is_ignored(&self, path: &str) -> bool {
        let mut ignored = false;
        for rule in &self.rules {
            // A rule that would change nothing need not be looked at.
            if rule.is_exception == ignored && rule.matches_path_or_parent(path) {
                ignored = !rule.is_exception;
            }
        }
        ignored
    }

    /// Whether nothing below a directory can be in the context, so that it need not be walked.
    pub fn is_directory_ignored(&self, path: &str) -> bool {
        // An exception may bring back what lies below; finding out which is not worth the trouble. The files that
        // are always kept are such exceptions too, and exact, so only those below this directory count.
        let below = |rule: &Rule| rule.is_exception && !rule.pattern.is_exact_outside(path);
        self.is_ignored(path) && !self.rules.iter().any(below)
    }
}

impl Rule {
    fn matches_path_or_parent(&self, path: &str) -> bool {
        let parents = path.match_indices('/').filter_map(|(index, _)| path.get(..index));
        self.pattern.matches(path) || parents.into_iter().any(|parent| self.pattern.matches(parent))
    }
}

fn parse_line(line: &str) -> Result<Option<Rule>, Reason> {
    // The comment is looked for before blanks are cut off, as moby does: ` #a` is a pattern.
    if line.starts_with('#') || line.trim().is_empty() {
        return Ok(None);
    }
    let (is_exception, pattern) = match line.trim().strip_prefix('!') {
        Some(pattern) => (true, pattern.trim()),
        None => (false, line.trim()),
    };
    if pattern.is_empty() {
        return Err(Reason::EmptyException);
    }
    let cleaned = clean(pattern);
    let relative = if cleaned.len() > 1 { cleaned.strip_prefix('/').unwrap_or(&cleaned) } else { &cleaned };
    Ok(Some(Rule { is_exception, pattern: PathPattern::compile(relative)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(rules: &str, path: &str) -> bool {
        DockerIgnore::parse(rules.as_bytes(), &["Dockerfile", ".dockerignore"]).unwrap().is_ignored(path)
    }

    #[test]
    fn files_are_ignored_by_mobys_rules() {
        for (rules, path, expected) in [
            ("", "a", false),
            ("# a\n\n", "a", false),
            ("a", "a", true),
            ("a", "a/b/c", true),
            ("a", "b/a", false),
            ("**/a", "b/a", true),
            ("/a/", "a/b", true),
            ("./a", "a", true),
            ("*.md\n!README.md", "README.md", false),
            ("*.md\n!README.md", "x.md", true),
            ("!README.md\n*.md", "README.md", true),
            ("*.md", "docs/x.md", false),
            ("docs\n!docs/keep.md", "docs/keep.md", false),
            ("docs\n!docs/keep.md", "docs/other.md", true),
            ("*\n!src", "src/main.rs", false),
            ("*\n!src\nsrc/*.log", "src/x.log", true),
            ("*", "Dockerfile", false),
            ("*", ".dockerignore", false),
            ("**", "docs/Dockerfile", true),
            ("  a  \r\nb\r\n", "a", true),
            ("\u{feff}a", "a", true),
            ("! a", "a", false),
            ("node_modules", "node_modules/x/y.js", true),
            ("node_modules", "app/node_modules/y.js", false),
            ("a/../b", "b", true),
        ] {
            assert_eq!(ignored(rules, path), expected, "{rules:?} on {path}");
        }
    }

    #[test]
    fn a_directory_is_skipped_only_if_nothing_can_come_back() {
        let skips = |rules: &str, kept: &[&str], path: &str| {
            DockerIgnore::parse(rules.as_bytes(), kept).unwrap().is_directory_ignored(path)
        };
        assert!(skips("node_modules", &["Dockerfile"], "node_modules"));
        assert!(skips("*", &["Dockerfile"], "src"));
        assert!(!skips("*", &["src/Dockerfile"], "src"));
        assert!(!skips("*", &["a/src/Dockerfile"], "a"));
        assert!(!skips("node_modules\n!node_modules/keep", &["Dockerfile"], "node_modules"));
        assert!(!skips("a", &[], "b"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let message = |rules: &str| DockerIgnore::parse(rules.as_bytes(), &[]).unwrap_err().to_string();
        assert!(message("a\n!\n").contains("line 2: an exception"));
        assert!(message("[a\n").contains("line 1: a `[`"));
    }
}
