//! One pattern of a `.dockerignore`, as moby's `patternmatcher` understands it.
//!
//! Go's `filepath.Match` (`*`, `?`, `[a-z]`, `[^a-z]`, backslash) and `**` for any number of directories. Patterns
//! are compared with whole paths that are relative, clean and separated by `/`.

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    pieces: Vec<Piece>,
}

/// Why a pattern is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathPatternError {
    /// A `[` without its `]`, or without anything in between.
    #[error("a `[` is not closed or has nothing in it")]
    Class,
    /// A backslash with nothing behind it.
    #[error("a backslash stands at the end")]
    Backslash,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(char),
    /// `?`: any character but a slash.
    One,
    /// `*`: any characters but slashes.
    Many,
    /// `**/` or `**` before something: nothing, or anything that ends in a slash.
    Directories,
    /// `**` at the end: everything.
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl PathPattern {
    /// Compiles a pattern that [`clean`] has gone over.
    pub fn compile(pattern: &str) -> Result<Self, PathPatternError> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some(character) = rest.chars().next() {
            let after = rest.get(character.len_utf8()..).unwrap_or_default();
            rest = match character {
                '*' => match after.strip_prefix('*') {
                    None => {
                        pieces.push(Piece::Many);
                        after
                    }
                    Some(after) => {
                        let after = after.strip_prefix('/').unwrap_or(after);
                        pieces.push(if after.is_empty() { Piece::Everything } else { Piece::Directories });
                        after
                    }
                },
                '?' => {
                    pieces.push(Piece::One);
                    after
                }
                '[' => class(after, &mut pieces)?,
                '\\' => {
                    let (escaped, after) = escaped(after)?;
                    pieces.push(Piece::Literal(escaped));
                    after
                }
                _ => {
                    pieces.push(Piece::Literal(character));
                    after
                }
            };
        }
        Ok(Self { pieces })
    }

    /// A pattern for one path, in which no character is special.
    pub fn exact(path: &str) -> Self {
        Self { pieces: clean(path).chars().map(Piece::Literal).collect() }
    }

    /// Whether this is a pattern for exactly one path, and that path is not below a directory.
    pub fn is_exact_outside(&self, directory: &str) -> bool {
        let literal = |piece: &Piece| match piece {
            Piece::Literal(character) => Some(*character),
            _ => None,
        };
        let path: Option<String> = self.pieces.iter().map(literal).collect();
        let below = |path: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        path.is_some_and(|path| !below(&path))
    }

    /// Whether the whole path matches.
    ///
    /// Takes time proportional to the path's length times the pattern's, whatever stars are in it: the set of
    /// positions in the pattern that may be reached is carried along the path.
    pub fn matches(&self, path: &str) -> bool {
        let mut reached = vec![false; self.pieces.len() + 1];
        self.reach(&mut reached, 0, true);
        for character in path.chars() {
            let mut next = vec![false; reached.len()];
            for (index, piece) in self.pieces.iter().enumerate() {
                if reached.get(index) == Some(&true) {
                    self.step(piece, index, character, &mut next);
                }
            }
            reached = next;
        }
        reached.last() == Some(&true)
    }

    /// Marks the positions that a piece leads to by one character of the path.
    fn step(&self, piece: &Piece, index: usize, character: char, next: &mut [bool]) {
        match piece {
            Piece::Literal(literal) if *literal == character => self.reach(next, index + 1, true),
            Piece::One if character != '/' => self.reach(next, index + 1, true),
            Piece::Class { negated, ranges } => {
                let is_in = ranges.iter().any(|(first, last)| (first..=last).contains(&&character));
                if is_in != *negated {
                    self.reach(next, index + 1, true);
                }
            }
            Piece::Many if character != '/' => self.reach(next, index, true),
            Piece::Everything => self.reach(next, index, true),
            // Having begun, directories may end behind a slash only.
            Piece::Directories => self.reach(next, index, character == '/'),
            Piece::Literal(_) | Piece::One | Piece::Many => {}
        }
    }

    /// Marks a position in the pattern, and those behind pieces that may match nothing there.
    fn reach(&self, reached: &mut [bool], index: usize, may_pass: bool) {
        let mut index = index;
        let mut may_pass = may_pass;
        while let Some(mark) = reached.get_mut(index) {
            *mark = true;
            match self.pieces.get(index) {
                Some(Piece::Many | Piece::Everything | Piece::Directories) if may_pass => index += 1,
                _ => return,
            }
            may_pass = true;
        }
    }
}

/// Reads what follows a `[`, up to and with the `]`, and returns the rest.
fn class<'a>(text: &'a str, pieces: &mut Vec<Piece>) -> Result<&'a str, PathPatternError> {
    let negated = text.starts_with('^');
    let mut rest = text.strip_prefix('^').unwrap_or(text);
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']')
            && !ranges.is_empty()
        {
            pieces.push(Piece::Class { negated, ranges });
            return Ok(after);
        }
        let (first, after) = class_character(rest)?;
        let (last, after) = match after.strip_prefix('-') {
            Some(after) => class_character(after)?,
            None => (first, after),
        };
        ranges.push((first, last));
        rest = after;
    }
}

fn class_character(text: &str) -> Result<(char, &str), PathPatternError> {
    let mut characters = text.chars();
    match characters.next() {
        None | Some(']' | '-') => Err(PathPatternError::Class),
        Some('\\') => escaped(characters.as_str()),
        Some(character) => Ok((character, characters.as_str())),
    }
}

fn escaped(text: &str) -> Result<(char, &str), PathPatternError> {
    let mut characters = text.chars();
    characters.next().map(|character| (character, characters.as_str())).ok_or(PathPatternError::Backslash)
}

/// Go's `filepath.Clean` for slashes: no `.`, no `//`, `..` resolved, no slash at the end; `.` for nothing.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." if components.last().is_some_and(|last| *last != "..") => {
                components.pop();
            }
            ".." if rooted => {}
            _ => components.push(component),
        }
    }
    let joined = components.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_mobys_do() {
        // The first rows are from the tests of moby's patternmatcher.
        for (pattern, path, expected) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("**/dir", "dir", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/dir/file", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("a**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/dir/file.txt", true),
            ("a/*.txt", "a/dir/file.txt", false),
            ("a/*.txt**", "a/file.txt", true),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcdef", false),
            ("abc?def", "abcZdef", true),
            ("abc?def", "abc/def", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "aXb", false),
            ("a[^x]c", "abc", true),
            ("a[^x]c", "axc", false),
            ("a[\\]-]c", "a]c", false),
            ("**/foo/bar", "foo/bar", true),
            ("**/foo/bar", "a/b/foo/bar", true),
            ("**/foo/bar", "a/xfoo/bar", false),
            ("foo/**/bar", "foo/bar", true),
            ("foo/**/bar", "foo/a/b/bar", true),
            ("*/*/*", "a/b", false),
            ("é?", "éà", true),
            ("", "a", false),
        ] {
            match PathPattern::compile(pattern) {
                Ok(compiled) => assert_eq!(compiled.matches(path), expected, "{pattern} on {path}"),
                Err(error) => assert!(!expected, "{pattern}: {error}"),
            }
        }
    }

    #[test]
    fn stars_do_not_make_it_slow() {
        let pattern = PathPattern::compile(&"*a".repeat(40)).unwrap();
        assert!(!pattern.matches(&"a".repeat(3000).replace("aaa", "aab")));
        let pattern = PathPattern::compile(&"**/a*".repeat(40)).unwrap();
        assert!(!pattern.matches(&"b/".repeat(1500)));
    }

    #[test]
    fn broken_patterns_are_refused() {
        for pattern in ["[", "[]", "[a", "[a-", "[-a]", "[^", "[^]"] {
            assert_eq!(PathPattern::compile(pattern), Err(PathPatternError::Class), "{pattern}");
        }
        assert_eq!(PathPattern::compile("a\\"), Err(PathPatternError::Backslash));
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in [
            ("a/./b//c/", "a/b/c"),
            ("", "."),
            ("./", "."),
            ("/", "/"),
            ("/../a", "/a"),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }
}
