//! The Procfile: one `type: command` a line.
//!
//! Read strictly, as a deploy should fail on a line that nobody understands rather than start less than was
//! asked for. Commands are split into words here; variables are filled in later, by [`expand`], since only the
//! start of an instance knows them.

use std::collections::BTreeMap;

use crate::model::process_type::{ProcessType, ProcessTypeError};

/// The process types of an app and how each is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Procfile {
    /// The commands by their process type.
    pub commands: BTreeMap<ProcessType, Command>,
}

/// One process type's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The line it stands on, from 1.
    pub line: usize,
    /// The command as it was written.
    pub text: String,
    /// Its words, without quotes and comments; variables are not filled in yet. Never empty.
    pub words: Vec<String>,
}

/// Why a text is no Procfile, and on which line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Invalid Procfile: line {line}: {reason}")]
pub struct ProcfileError {
    line: usize,
    reason: Reason,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Reason {
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("a merge conflict is left in it")]
    MergeMarker,
    #[error("write `type: command`, for example `web: ./server`")]
    NoColon,
    #[error("{0}")]
    Name(ProcessTypeError),
    #[error("{0} has no command")]
    NoCommand(ProcessType),
    #[error("a quote or a backslash is left open")]
    OpenQuote,
    #[error("{name} stands on line {first} already")]
    Duplicate { name: ProcessType, first: usize },
    #[error("there is no process type in it: write `type: command`, or delete the file")]
    Empty,
    #[error("there is no process type in it but release, which runs once: write `web: command` or another")]
    OnlyRelease,
}

impl Procfile {
    /// Reads a Procfile as it lies in the repository.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProcfileError> {
        let text = text_of(bytes)?;
        let mut commands = BTreeMap::<ProcessType, Command>::new();
        let mut last = 1;
        for (line, content) in text.lines().enumerate().map(|(index, content)| (index + 1, content.trim())) {
            last = line;
            let at = |reason| ProcfileError { line, reason };
            let Some((name, command)) = parse_line(line, content).map_err(at)? else { continue };
            if let Some(earlier) = commands.get(&name) {
                return Err(at(Reason::Duplicate { name, first: earlier.line }));
            }
            commands.insert(name, command);
        }
        if commands.is_empty() {
            return Err(ProcfileError { line: last, reason: Reason::Empty });
        }
        if commands.keys().all(ProcessType::is_release) {
            return Err(ProcfileError { line: last, reason: Reason::OnlyRelease });
        }
        Ok(Self { commands })
    }
}

/// Splits a command into words as a shell would, without one; `None` if a quote is left open.
pub fn split(command: &str) -> Option<Vec<String>> {
    shlex::split(command)
}

/// The words as one line that [`split`] takes apart again.
pub fn join(words: &[String]) -> String {
    // Only a NUL cannot be quoted, and no file that was read as text has one in a command that could be started.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

fn text_of(bytes: &[u8]) -> Result<&str, ProcfileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        ProcfileError { line, reason: Reason::NotText }
    })?;
    // Editors on Windows put a byte order mark in front.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn parse_line(number: usize, line: &str) -> Result<Option<(ProcessType, Command)>, Reason> {
    if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
        return Ok(None);
    }
    if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|marker| line.starts_with(marker)) {
        return Err(Reason::MergeMarker);
    }
    let (name, command) = line.split_once(':').ok_or(Reason::NoColon)?;
    let name: ProcessType = name.trim().parse().map_err(Reason::Name)?;
    // A word that starts with `#` begins a comment, in shlex as in a shell; `a#b` and `'#'` do not.
    let words = split(command).ok_or(Reason::OpenQuote)?;
    if words.is_empty() {
        return Err(Reason::NoCommand(name));
    }
    let command = Command { line: number, text: command.trim().to_owned(), words };
    Ok(Some((name, command)))
}

/// Fills in `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME-default}` in the words of a command.
///
/// What `lookup` does not know and has no default stays as it is: a command such as `sh -c 'for i in 1 2; do
/// echo $i; done'` brings a shell that knows better. So does a `$` that begins none of these forms. A value never
/// becomes more than one word.
pub fn expand(words: &[String], lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
    words.iter().map(|word| expand_word(word, &lookup)).collect()
}

fn expand_word(word: &str, lookup: &impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some((value, remaining)) = variable(after, lookup) {
            expanded.push_str(&value);
            rest = remaining;
        } else {
            expanded.push('$');
            rest = after;
            // `$$NAME` is the shell's process number and a word, not a variable behind a `$`.
            if let Some(remaining) = after.strip_prefix('$') {
                expanded.push('$');
                rest = remaining;
            }
        }
    }
    expanded.push_str(rest);
    expanded
}

/// The value of the variable that a text behind `$` begins with, and what follows it.
fn variable<'a>(text: &'a str, lookup: &impl Fn(&str) -> Option<String>) -> Option<(String, &'a str)> {
    let Some(braced) = text.strip_prefix('{') else {
        let (name, rest) = text.split_at(name_length(text));
        return (!name.is_empty()).then(|| lookup(name)).flatten().map(|value| (value, rest));
    };
    let (inner, rest) = braced.split_once('}')?;
    let (name, modifier) = inner.split_at(name_length(inner));
    if name.is_empty() {
        return None;
    }
    let value = lookup(name);
    if modifier.is_empty() {
        return value.map(|value| (value, rest));
    }
    if let Some(default) = modifier.strip_prefix(":-") {
        let value = value.filter(|value| !value.is_empty());
        return Some((value.unwrap_or_else(|| default.to_owned()), rest));
    }
    let default = modifier.strip_prefix('-')?;
    Some((value.unwrap_or_else(|| default.to_owned()), rest))
}

fn name_length(text: &str) -> usize {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if starts_well { end } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, name: &str) -> Vec<String> {
        Procfile::parse(text.as_bytes()).unwrap().commands[&name.parse().unwrap()].words.clone()
    }

    fn error(bytes: &[u8]) -> String {
        Procfile::parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn commands_are_split_as_a_shell_would() {
        assert_eq!(words("web: python3 -u web.py first.Procfile # testing inline comment", "web").len(), 4);
        assert_eq!(
            words("web: sh -c 'a b' \"c # d\" e#f '#'", "web"),
            ["sh", "-c", "a b", "c # d", "e#f", "#"]
        );
        assert_eq!(words("web :http://x", "web"), ["http://x"]);
    }

    #[test]
    fn comments_blank_lines_windows_ends_and_marks_are_no_matter() {
        let text = "\u{feff}# one\r\n// two\r\n\r\n  web: a b\r\nworker:\tc\r\n";
        let procfile = Procfile::parse(text.as_bytes()).unwrap();
        assert_eq!(procfile.commands.len(), 2);
        assert_eq!(words(text, "web"), ["a", "b"]);
        assert_eq!(
            procfile.commands[&"worker".parse().unwrap()],
            Command { line: 5, text: "c".into(), words: vec!["c".into()] }
        );
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, expected) in [
            ("web: a\nworker b\n", "line 2: write `type: command`"),
            ("web: a\n\nweb: b\n", "line 3: web stands on line 1 already"),
            ("<<<<<<< HEAD\nweb: a\n=======\n", "line 1: a merge conflict"),
            ("web: a\n>>>>>>> branch\n", "line 2: a merge conflict"),
            ("web:\n", "line 1: web has no command"),
            ("web: # nothing\n", "line 1: web has no command"),
            ("web: 'open\n", "line 1: a quote"),
            ("Web: a\n", "line 1: Web is not a valid process name"),
            ("a b: c\n", "line 1: a b is not a valid process name"),
            ("\n# empty\n", "line 2: there is no process type"),
            ("", "line 1: there is no process type"),
            ("release: a\n", "line 1: there is no process type in it but release"),
        ] {
            let message = error(text.as_bytes());
            assert!(
                message.starts_with("Invalid Procfile: ") && message.contains(expected),
                "{text:?}: {message}"
            );
        }
        assert_eq!(error(b"web: a\nb: \xff\n"), "Invalid Procfile: line 2: it is not UTF-8 text");
    }

    #[test]
    fn variables_are_filled_in_and_unknown_ones_are_left_to_the_command() {
        let lookup = |name: &str| match name {
            "PORT" => Some("5000".to_owned()),
            "EMPTY" => Some(String::new()),
            "SPACE" => Some("a b $PORT".to_owned()),
            _ => None,
        };
        for (word, expected) in [
            ("0.0.0.0:$PORT", "0.0.0.0:5000"),
            ("${PORT}0", "50000"),
            ("${PORT:-80}", "5000"),
            ("${NONE:-80}", "80"),
            ("${EMPTY:-80}", "80"),
            ("${EMPTY-80}", ""),
            ("[$EMPTY]", "[]"),
            ("$SPACE", "a b $PORT"),
            ("$NONE ${NONE}", "$NONE ${NONE}"),
            ("$i $(date) $$PORT $ $1 ${", "$i $(date) $$PORT $ $1 ${"),
            ("${PORT%0}", "${PORT%0}"),
            ("é$PORT é", "é5000 é"),
        ] {
            assert_eq!(expand(&[word.to_owned()], lookup), [expected], "{word}");
        }
    }
}
