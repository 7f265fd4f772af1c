//! Config vars in, for `config:import`: env files as `config:export`, dotenv and shells write them, and JSON.
//!
//! A parser of its own, because values have to come back byte for byte: dotenv crates substitute variables and
//! differ in escapes. No message ever holds a value.
//!
//! An env file has `KEY=value`, with or without `export`. A quoted value may go over several lines, and another
//! assignment may follow it on the same line. Between single quotes nothing is special; between double quotes
//! `\n` and `\r` are line ends, and `\\`, `\"`, `\$`, `` \` `` and `\!` the character itself; `$` stands for itself
//! everywhere. A value without quotes goes to the end of the line or to ` #`.

use serde_json::Value;

use crate::model::config_var::{ConfigKey, ConfigKeyError, ConfigValue, ConfigValueError, ConfigVars};

/// Why a text could not be imported.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigImportError {
    /// It is not text.
    #[error("line {line}: it is not UTF-8 text")]
    NotText {
        /// The line, from 1.
        line: usize,
    },
    /// A line has no `=`.
    #[error("line {line}: write KEY=value")]
    NoAssignment {
        /// The line, from 1.
        line: usize,
    },
    /// A name is no config var's.
    #[error("line {line}: {source}")]
    Key {
        /// The line, from 1.
        line: usize,
        /// What is wrong with the name.
        source: ConfigKeyError,
    },
    /// A value is none that a process can be given.
    #[error("line {line}: {key}: {source}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// The name.
        key: ConfigKey,
        /// What is wrong with the value.
        source: ConfigValueError,
    },
    /// A quote is never closed.
    #[error("line {line}: the quote that opens the value of {key} is never closed")]
    OpenQuote {
        /// The line on which it opens, from 1.
        line: usize,
        /// The name.
        key: ConfigKey,
    },
    /// JSON that is none.
    #[error("line {line}, column {column}: it is not valid JSON")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// JSON of another shape.
    #[error("{0}: write an object of texts, or a list of objects with name and value")]
    JsonShape(String),
    /// A name in JSON that is no config var's.
    #[error(transparent)]
    JsonKey(#[from] ConfigKeyError),
    /// A number in JSON that would be written in another way than it was.
    #[error("the number of {0} might not be kept as it is written: put it in double quotes")]
    JsonNumber(ConfigKey),
    /// A value in JSON that no process can be given.
    #[error("{key}: {source}")]
    JsonValue {
        /// The name.
        key: ConfigKey,
        /// What is wrong with the value.
        source: ConfigValueError,
    },
}

/// Reads config vars from an env file, or from JSON if that is what it begins like. The last of a name wins.
pub fn import(bytes: &[u8]) -> Result<ConfigVars, ConfigImportError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        ConfigImportError::NotText { line: 1 + valid.iter().filter(|byte| **byte == b'\n').count() }
    })?;
    // Editors on Windows put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // No name begins with either, so this cannot be an env file.
    if text.trim_start().starts_with(['{', '[']) { import_json(text) } else { EnvFile::new(text).read() }
}

fn import_json(text: &str) -> Result<ConfigVars, ConfigImportError> {
    // The parser's own message is not passed on: it may quote what it found.
    let value: Value = serde_json::from_str(text)
        .map_err(|error| ConfigImportError::Json { line: error.line(), column: error.column() })?;
    let pairs: Vec<(String, Value)> = match value {
        Value::Object(object) => object.into_iter().collect(),
        Value::Array(list) => list.into_iter().map(list_entry).collect::<Result<_, _>>()?,
        _ => return Err(ConfigImportError::JsonShape("it is neither an object nor a list".to_owned())),
    };
    pairs.into_iter().map(|(name, value)| json_pair(&name, value)).collect()
}

fn list_entry(entry: Value) -> Result<(String, Value), ConfigImportError> {
    let wrong = || ConfigImportError::JsonShape("an entry of the list has no name or no value".to_owned());
    let Value::Object(mut object) = entry else { return Err(wrong()) };
    match (object.remove("name"), object.remove("value")) {
        (Some(Value::String(name)), Some(value)) => Ok((name, value)),
        _ => Err(wrong()),
    }
}

fn json_pair(name: &str, value: Value) -> Result<(ConfigKey, ConfigValue), ConfigImportError> {
    let key: ConfigKey = name.parse()?;
    let text = match value {
        Value::String(text) => text,
        // 1.10 would become 1.1, and of a number with more than 19 digits the last ones would be others.
        Value::Number(number) if number.is_f64() => return Err(ConfigImportError::JsonNumber(key)),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(ConfigImportError::JsonShape(format!("the value of {key} is not a text"))),
    };
    match ConfigValue::from_bytes(text.into_bytes()) {
        Ok(value) => Ok((key, value)),
        Err(source) => Err(ConfigImportError::JsonValue { key, source }),
    }
}

/// An env file being read: what is left of it, and the line that this begins on.
struct EnvFile<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> EnvFile<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    fn read(mut self) -> Result<ConfigVars, ConfigImportError> {
        let mut config = ConfigVars::new();
        while self.skip_to_assignment() {
            let line = self.line;
            let key = self.key()?;
            let value = self.value(&key)?;
            match ConfigValue::from_bytes(value.into_bytes()) {
                Ok(value) => config.insert(key, value),
                Err(source) => return Err(ConfigImportError::Value { line, key, source }),
            };
        }
        Ok(config)
    }

    /// Skips blanks, line ends and comments; false at the end of the text.
    fn skip_to_assignment(&mut self) -> bool {
        loop {
            match self.rest.chars().next() {
                None => return false,
                Some('#') => self.advance(self.line_length()),
                Some(c) if c.is_whitespace() => self.advance(c.len_utf8()),
                Some(_) => return true,
            }
        }
    }

    fn key(&mut self) -> Result<ConfigKey, ConfigImportError> {
        let line = self.line;
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with([' ', '\t'])
        {
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            self.advance("export".len() + blanks);
        }
        let current = self.rest.get(..self.line_length()).unwrap_or_default();
        let Some((name, _)) = current.split_once('=') else {
            return Err(ConfigImportError::NoAssignment { line });
        };
        self.advance(name.len() + 1);
        name.trim_end().parse().map_err(|source| ConfigImportError::Key { line, source })
    }

    fn value(&mut self, key: &ConfigKey) -> Result<String, ConfigImportError> {
        let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        // `KEY= # comment` has an empty value: the comment counts from the `=`.
        if self.rest.get(blanks..).is_some_and(|rest| rest.starts_with(['\'', '"'])) {
            self.advance(blanks);
            return self.quoted(key);
        }
        let current = self.rest.get(..self.line_length()).unwrap_or_default();
        let comment = current.find(" #").or_else(|| current.find("\t#")).unwrap_or(current.len());
        let value = current.get(..comment).unwrap_or_default().trim().to_owned();
        self.advance(self.line_length());
        Ok(value)
    }

    /// Reads quoted and bare pieces up to the next blank, as a shell joins them: `'it'\''s'` is `it's`.
    fn quoted(&mut self, key: &ConfigKey) -> Result<String, ConfigImportError> {
        let mut value = String::new();
        while let Some(character) = self.rest.chars().next() {
            match character {
                '\'' => self.single_quoted(key, &mut value)?,
                '"' => self.double_quoted(key, &mut value)?,
                c if c.is_whitespace() => break,
                '\\' => {
                    self.advance(1);
                    value.extend(self.next());
                }
                _ => value.extend(self.next()),
            }
        }
        Ok(value)
    }

    fn single_quoted(&mut self, key: &ConfigKey, value: &mut String) -> Result<(), ConfigImportError> {
        let open = ConfigImportError::OpenQuote { line: self.line, key: key.clone() };
        self.advance(1);
        let (content, _) = self.rest.split_once('\'').ok_or(open)?;
        value.push_str(content);
        self.advance(content.len() + 1);
        Ok(())
    }

    fn double_quoted(&mut self, key: &ConfigKey, value: &mut String) -> Result<(), ConfigImportError> {
        let open = ConfigImportError::OpenQuote { line: self.line, key: key.clone() };
        self.advance(1);
        loop {
            match self.next() {
                None => return Err(open),
                Some('"') => return Ok(()),
                Some('\\') => match self.next() {
                    None => return Err(open),
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some(escaped @ ('\\' | '"' | '$' | '`' | '!')) => value.push(escaped),
                    // Not an escape: regular expressions and Windows paths keep their backslashes.
                    Some(other) => value.extend(['\\', other]),
                },
                Some(other) => value.push(other),
            }
        }
    }

    fn line_length(&self) -> usize {
        self.rest.find('\n').unwrap_or(self.rest.len())
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.advance(next.len_utf8());
        Some(next)
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::{Strategy, prop_assert_eq, proptest};
    use proptest::{collection, string};

    use super::*;
    use crate::formats::config_export::{ExportFormat, export};

    fn read(text: &str) -> Vec<(String, String)> {
        let config = import(text.as_bytes()).unwrap();
        config.iter().map(|(key, value)| (key.to_string(), value.expose().to_owned())).collect()
    }

    fn one(text: &str) -> String {
        let pairs = read(text);
        assert_eq!(pairs.len(), 1, "{text:?}: {pairs:?}");
        pairs[0].1.clone()
    }

    fn message(text: &str) -> String {
        import(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn env_files_as_people_write_them() {
        for (text, value) in [
            ("A=b", "b"),
            ("A = b c \r\n", "b c"),
            ("  export  A=b # comment", "b"),
            ("A=", ""),
            ("A=\r\n", ""),
            ("A=''", ""),
            ("A= # comment", ""),
            ("A=a#b", "a#b"),
            ("A=x=y==", "x=y=="),
            ("A='a # b' # c", "a # b"),
            ("A=\"a\\nb\\tc\\d\\\"\\$HOME $X\"", "a\nb\\tc\\d\"$HOME $X"),
            ("A='a\r\nb'", "a\r\nb"),
            ("A=\"-----BEGIN\nx\n-----END\"\n", "-----BEGIN\nx\n-----END"),
            ("A='it'\\''s'", "it's"),
            ("A=it's", "it's"),
            ("A='a'b\"c\"", "abc"),
            ("# one\n\n#two\nA=1\nA=2\n", "2"),
            ("exported=1", "1"),
            ("\u{feff}A=é", "é"),
        ] {
            assert_eq!(one(text), value, "{text:?}");
        }
        assert_eq!(read("A='1' B=\"2\"\nC=3 4").len(), 3);
        assert!(read("\n# nothing\n").is_empty());
    }

    #[test]
    fn json_as_objects_and_lists() {
        assert_eq!(one(" {\"A\": \"x\\ny\"}"), "x\ny");
        assert_eq!(one("{\"A\": 12}"), "12");
        assert_eq!(one("[{\"name\": \"A\", \"value\": true}]"), "true");
        assert!(read("{}").is_empty());
    }

    #[test]
    fn errors_name_the_line_and_never_a_value() {
        for (text, expected) in [
            ("A=1\n\nsecret", "line 3: write KEY=value"),
            ("A='x\ny'\nB-C=secret", "line 3: Invalid key name: 'B-C'"),
            ("A=1\nB='secret\n", "line 2: the quote that opens the value of B"),
            ("B=\"secret", "line 1: the quote that opens the value of B"),
            ("{\"A\":\n secret}", "line 2, column 2: it is not valid JSON"),
            ("{\"A\": {\"secret\": 1}}", "the value of A is not a text"),
            ("{\"A\": 1.10}", "the number of A might not be kept as it is written"),
            ("{\"A\": 12345678901234567890123}", "put it in double quotes"),
            ("[1]", "an entry of the list"),
            ("{\"A B\": \"secret\"}", "Invalid key name: 'A B'"),
            ("A=sec\0ret", "line 1: A: a value must not contain a NUL byte"),
        ] {
            let message = message(text);
            assert!(message.contains(expected) && !message.contains("secret"), "{text:?}: {message}");
        }
        assert_eq!(import(b"A=1\nB=\xff"), Err(ConfigImportError::NotText { line: 2 }));
    }

    fn config_vars() -> impl Strategy<Value = ConfigVars> {
        let key = string::string_regex("[A-Za-z_][A-Za-z0-9_]{0,8}").unwrap();
        // Besides any text at all, much of what quoting gets wrong.
        let any = string::string_regex("[^\u{0}]{0,12}").unwrap();
        let hard = string::string_regex("[\\\\'\"$`!# \t\r\nnr={}\\[\\]é;&|*~%-]{0,12}").unwrap();
        let value = proptest::prop_oneof![any, hard];
        collection::btree_map(key, value, 0..6).prop_map(|pairs| {
            let pair = |(key, value): (String, String)| {
                // A prefix keeps the test's own shell out of trouble with names such as `PATH` or `_`.
                (format!("K_{key}").parse().unwrap(), ConfigValue::from_bytes(value.into_bytes()).unwrap())
            };
            pairs.into_iter().map(pair).collect()
        })
    }

    /// What a real shell makes of an export: name, `=`, value and NUL for each.
    fn in_shell(script: &str, config: &ConfigVars) -> Vec<u8> {
        let names: Vec<_> = config.keys().map(ConfigKey::as_str).collect();
        let print: String =
            names.iter().map(|name| format!("printf '%s\\0' {name}=\"${{{name}}}\"\n")).collect();
        let output = Command::new("sh").arg("-c").arg(format!("{script}\n{print}")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    fn in_bytes(config: &ConfigVars) -> Vec<u8> {
        config.iter().flat_map(|(key, value)| format!("{key}={}\0", value.expose()).into_bytes()).collect()
    }

    proptest! {
        #[test]
        fn what_is_exported_comes_back_byte_for_byte(config in config_vars()) {
            for format in [
                ExportFormat::Exports,
                ExportFormat::Envfile,
                ExportFormat::Shell,
                ExportFormat::Json,
                ExportFormat::JsonList,
            ] {
                let text = export(&config, format);
                prop_assert_eq!(&import(text.as_bytes()).unwrap(), &config, "{:?}: {:?}", format, text);
            }
        }

        #[test]
        fn no_input_makes_the_parser_panic(bytes in collection::vec(proptest::num::u8::ANY, 0..60)) {
            import(&bytes).ok();
        }
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]
        #[test]
        fn a_real_shell_reads_the_same_bytes(config in config_vars()) {
            for format in [ExportFormat::Exports, ExportFormat::Shell] {
                prop_assert_eq!(in_shell(&export(&config, format), &config), in_bytes(&config));
            }
        }
    }
}
