//! The legacy `CHECKS` file: settings, then one request a line.
//!
//! ```text
//! # What the app needs to come up
//! WAIT=5
//! TIMEOUT=30
//! ATTEMPTS=5
//! /                      <title>Blog</title>
//! //admin.example.com/   Log in
//! /{{ var "SECRET" }}/up
//! ```

use std::time::Duration;

use crate::model::health_check::{CheckKind, CheckTest, HealthCheck, HttpTest, ImpossibleCheck};

/// Why a text is no `CHECKS` file, and on which line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Invalid CHECKS file: line {line}: {reason}")]
pub struct ChecksError {
    line: usize,
    reason: Reason,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Reason {
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("{0} is no setting: write WAIT=5, TIMEOUT=30 or ATTEMPTS=5")]
    NoSetting(String),
    #[error("{0} is not a number of seconds or attempts")]
    NoNumber(String),
    #[error("write a path and what the page should contain, for example `/ Welcome`")]
    NoPath,
    #[error("{{{{ is not closed, or is not {{{{ var \"NAME\" }}}}")]
    Template,
    #[error("there is no check in it: write `/`, or delete the file")]
    Empty,
    #[error(transparent)]
    Impossible(ImpossibleCheck),
}

/// Reads a `CHECKS` file into checks of new web instances.
pub fn parse(bytes: &[u8]) -> Result<Vec<HealthCheck>, ChecksError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        ChecksError { line, reason: Reason::NotText }
    })?;
    let mut settings = Settings::default();
    let mut tests = Vec::new();
    let mut last = 1;
    for (line, content) in text.lines().enumerate().map(|(index, content)| (index + 1, content.trim())) {
        last = line;
        let at = |reason| ChecksError { line, reason };
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match setting(content) {
            Some((name, value)) => settings.set(name, value).map_err(at)?,
            None => tests.push((line, test(content).map_err(at)?)),
        }
    }
    if tests.is_empty() {
        return Err(ChecksError { line: last, reason: Reason::Empty });
    }
    tests.into_iter().map(|(line, test)| settings.check(test, line)).collect()
}

/// Fills in `{{ var "NAME" }}`. A name that is not known leaves nothing, as in Dokku.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        expanded.push_str(before);
        let Some((name, remaining)) = variable(after) else {
            expanded.push_str("{{");
            rest = after;
            continue;
        };
        expanded.push_str(&lookup(name).unwrap_or_default());
        rest = remaining;
    }
    expanded.push_str(rest);
    expanded
}

/// The name in ` var "NAME" }}`, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let (inner, rest) = text.split_once("}}")?;
    let name = inner.trim().strip_prefix("var")?.trim_start();
    let name = name.strip_prefix('"')?.strip_suffix('"')?;
    (!name.is_empty() && !name.contains('"')).then_some((name, rest))
}

/// `NAME=VALUE` with an upper-case name; a path never looks like it.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    is_name.then_some((name, value.trim()))
}

/// Dokku's defaults for this file.
#[derive(Clone, Copy, Debug)]
struct Settings {
    wait: Duration,
    timeout: Duration,
    attempts: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { wait: Duration::from_secs(5), timeout: Duration::from_secs(30), attempts: 5 }
    }
}

impl Settings {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Reason> {
        let number: u32 = value.parse().map_err(|_| Reason::NoNumber(value.to_owned()))?;
        match name {
            "WAIT" => self.wait = Duration::from_secs(number.into()),
            "TIMEOUT" => self.timeout = Duration::from_secs(number.into()),
            "ATTEMPTS" => self.attempts = number,
            _ => return Err(Reason::NoSetting(name.to_owned())),
        }
        Ok(())
    }

    fn check(&self, test: HttpTest, line: usize) -> Result<HealthCheck, ChecksError> {
        let check = HealthCheck {
            name: Some(format!("CHECKS line {line}")),
            wait: self.wait,
            timeout: self.timeout,
            attempts: self.attempts,
            ..HealthCheck::new(CheckKind::Startup, CheckTest::Http(test))
        };
        let impossible = |error| ChecksError { line, reason: Reason::Impossible(error) };
        check.validate().map_err(impossible)?;
        Ok(check)
    }
}

/// `/path expected text`, `//host/path expected text`, or the same with `http:` or `https:` in front.
fn test(line: &str) -> Result<HttpTest, Reason> {
    if expand(line, |_| Some(String::new())).contains("{{") {
        return Err(Reason::Template);
    }
    let (url, content) = split_url(line);
    let (tls, relative) = match url.strip_prefix("https:") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("http:").unwrap_or(url)),
    };
    let (host, path) = match relative.strip_prefix("//") {
        None => (None, relative.to_owned()),
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            (Some(host), if path.is_empty() { "/".to_owned() } else { path.to_owned() })
        }
    };
    if !path.starts_with('/') || host == Some("") {
        return Err(Reason::NoPath);
    }
    let headers = host.map(|host| ("Host".to_owned(), host.to_owned())).into_iter().collect();
    let content = Some(content.to_owned()).filter(|content| !content.is_empty());
    Ok(HttpTest { path, port: None, tls, headers, content })
}

/// The first word, in which a template may have spaces, and the rest.
fn split_url(line: &str) -> (&str, &str) {
    let mut end = 0;
    while let Some(rest) = line.get(end..) {
        let space = rest.find(char::is_whitespace);
        match rest.find("{{") {
            Some(open) if space.is_none_or(|space| open < space) => match rest.find("}}") {
                Some(close) => end += close + 2,
                None => break,
            },
            _ => {
                let (url, content) = line.split_at(end + space.unwrap_or(rest.len()));
                return (url, content.trim());
            }
        }
    }
    (line, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(text: &str) -> Vec<HttpTest> {
        let checks = parse(text.as_bytes()).unwrap();
        let test = |check: HealthCheck| match check.test {
            CheckTest::Http(test) => test,
            other => panic!("{other:?}"),
        };
        checks.into_iter().map(test).collect()
    }

    #[test]
    fn settings_hold_for_all_checks_wherever_they_stand() {
        let text = "# comment\r\nWAIT=2\n\n/a\nTIMEOUT=7\nATTEMPTS=9\n/b=c  two words \n";
        let checks = parse(text.as_bytes()).unwrap();
        assert_eq!(checks.len(), 2);
        for check in &checks {
            let seconds = (check.wait.as_secs(), check.timeout.as_secs());
            assert_eq!((seconds, check.attempts, check.kind), ((2, 7), 9, CheckKind::Startup));
        }
        assert_eq!(checks[1].name.as_deref(), Some("CHECKS line 7"));
        let defaults = &parse(b"/").unwrap()[0];
        assert_eq!((defaults.wait.as_secs(), defaults.timeout.as_secs(), defaults.attempts), (5, 30, 5));
        assert_eq!(tests(text)[1].content.as_deref(), Some("two words"));
    }

    #[test]
    fn hosts_and_schemes_are_taken_from_the_url() {
        for (line, host, path, tls) in [
            ("/", None, "/", false),
            ("//a.example/x?y=z", Some("a.example"), "/x?y=z", false),
            ("//a.example", Some("a.example"), "/", false),
            ("http://a.example/x", Some("a.example"), "/x", false),
            ("https://a.example/x", Some("a.example"), "/x", true),
            ("http:/x", None, "/x", false),
        ] {
            let test = &tests(line)[0];
            let found = test.headers.first().map(|(_, value)| value.as_str());
            assert_eq!((found, test.path.as_str(), test.tls), (host, path, tls), "{line}");
        }
    }

    #[test]
    fn variables_are_kept_until_the_check_is_made() {
        let test = &tests("/{{ var \"A B\" }}/{{var \"C\"}} say {{ var \"D\" }} now")[0];
        assert_eq!(test.path, "/{{ var \"A B\" }}/{{var \"C\"}}");
        let lookup = |name: &str| (name != "D").then(|| format!("<{name}>"));
        assert_eq!(expand(&test.path, lookup), "/<A B>/<C>");
        assert_eq!(expand(test.content.as_ref().unwrap(), lookup), "say  now");
        assert_eq!(expand("{{ nothing }} {{", lookup), "{{ nothing }} {{");
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, expected) in [
            ("\nWAIT=soon\n/", "line 2: soon is not a number"),
            ("/\nTRIES=5", "line 2: TRIES is no setting"),
            ("WAIT=5\n", "line 1: there is no check in it"),
            ("", "line 1: there is no check in it"),
            ("health ok", "line 1: write a path"),
            ("//", "line 1: write a path"),
            ("/{{ var X }}", "line 1: {{ is not closed, or is not {{ var \"NAME\" }}"),
            ("/{{ var \"X\"", "line 1: {{ is not closed"),
            ("/ok\n/\u{e4}", "line 2: `path` is"),
            ("ATTEMPTS=0\n/", "line 2: `attempts` is 0"),
            ("ATTEMPTS=5000\n/", "line 2: it may take"),
        ] {
            let message = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(message.starts_with("Invalid CHECKS file: "), "{message}");
            assert!(message.contains(expected), "{text:?}: {message}");
        }
        assert_eq!(
            parse(b"/\n\xff").unwrap_err().to_string(),
            "Invalid CHECKS file: line 2: it is not UTF-8 text"
        );
    }
}
