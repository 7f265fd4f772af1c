//! A fixture: a source, config vars, and what is to come of it.
//!
//! `test/NAME/app/` is the source, `test/NAME/env/` has a file for each config var, `test/NAME/expect.toml` says the rest.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};

/// A source to try a buildpack on.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixture {
    /// Its directory's name.
    pub name: String,
    /// Where its source is.
    pub source: PathBuf,
    /// Its config vars.
    pub config: ConfigVars,
    /// What is to come of it.
    pub expectation: Expectation,
}

/// What is to come of a fixture: `expect.toml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// Whether `bin/detect` says yes.
    pub detect: bool,
    /// The status with which the build ends.
    pub status: i64,
    /// Whether it needs package registries.
    pub network: bool,
    /// Texts that are in the output.
    pub output: Vec<String>,
    /// Texts that are not in the output.
    pub not_output: Vec<String>,
    /// Paths below `/app` that are there afterwards.
    pub files: Vec<String>,
    /// Paths below `/app` that are not.
    pub no_files: Vec<String>,
    /// What `bin/release` gives, by process type; compared whole.
    pub release: Option<BTreeMap<String, String>>,
    /// Command lines that are run in the image.
    pub run: Vec<RunExpectation>,
    /// What comes of building the same source again with the same cache.
    pub again: Option<AgainExpectation>,
}

/// A command line that is run in the image, through its entry point.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunExpectation {
    /// The command line.
    pub command: String,
    /// The status with which it ends.
    pub status: i64,
    /// Texts that are in its output.
    pub output: Vec<String>,
    /// Texts that are not.
    pub not_output: Vec<String>,
}

/// What comes of a second build.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AgainExpectation {
    /// The status with which it ends.
    pub status: i64,
    /// Texts that are in the output.
    pub output: Vec<String>,
    /// Texts that are not.
    pub not_output: Vec<String>,
}

/// A fixture that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// Some file cannot be read.
    #[error("{} cannot be read: {source}\nA fixture is test/NAME/ with app/, expect.toml and perhaps env/", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `expect.toml` says what nobody understands.
    #[error("{}: {reason}\nWhat it may say is in docs/buildpacks.md", path.display())]
    Expectation {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Default for Expectation {
    fn default() -> Self {
        Self {
            detect: true,
            status: 0,
            network: false,
            output: Vec::new(),
            not_output: Vec::new(),
            files: Vec::new(),
            no_files: Vec::new(),
            release: None,
            run: Vec::new(),
            again: None,
        }
    }
}

impl Fixture {
    /// Those of a buildpack, in the order of their names.
    pub fn all_of(buildpack: &Path) -> Result<Vec<Self>, FixtureError> {
        let mut directories: Vec<PathBuf> =
            entries(&buildpack.join("test"))?.into_iter().filter(|path| path.is_dir()).collect();
        directories.sort();
        directories.iter().map(|directory| Self::read(directory)).collect()
    }

    fn read(directory: &Path) -> Result<Self, FixtureError> {
        let path = directory.join("expect.toml");
        let text =
            fs::read_to_string(&path).map_err(|source| FixtureError::Read { path: path.clone(), source })?;
        let wrong = |reason: String| FixtureError::Expectation { path: path.clone(), reason };
        let expectation: Expectation = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let mut config = ConfigVars::new();
        for path in entries(&directory.join("env"))? {
            let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let value =
                fs::read(&path).map_err(|source| FixtureError::Read { path: path.clone(), source })?;
            let key: ConfigKey = key.parse().map_err(|error| wrong(format!("env/{key}: {error}")))?;
            let value = ConfigValue::from_bytes(value.strip_suffix(b"\n").unwrap_or(&value).to_vec());
            config.insert(key.clone(), value.map_err(|error| wrong(format!("env/{key}: {error}")))?);
        }
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, source: directory.join("app"), config, expectation })
    }
}

/// What is in a directory; nothing where there is none.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, FixtureError> {
    let wrong = |source| FixtureError::Read { path: directory.to_owned(), source };
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        found => found.map_err(wrong)?.map(|entry| Ok(entry.map_err(wrong)?.path())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixtures_are_read_with_all_they_expect() {
        let buildpack = tempfile::tempdir().unwrap();
        let fixture = buildpack.path().join("test/one");
        fs::create_dir_all(fixture.join("env")).unwrap();
        fs::write(fixture.join("env/GREETING"), "hello\n").unwrap();
        let text = "network = true\nnot-output = ['x']\n[release]\nweb = 'a'\n[[run]]\ncommand = 'b'\n[again]\noutput = ['c']\n";
        fs::write(fixture.join("expect.toml"), text).unwrap();
        let all = Fixture::all_of(buildpack.path()).unwrap();
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(one.name, "one");
        assert_eq!(one.config.values().next().unwrap().expose(), "hello");
        let expected = &one.expectation;
        assert!(expected.detect && expected.network && expected.status == 0);
        assert_eq!(expected.run[0].command, "b");
        assert_eq!(expected.again.as_ref().unwrap().output, ["c"]);
        assert_eq!(expected.release.as_ref().unwrap()["web"], "a");
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let buildpack = tempfile::tempdir().unwrap();
        let fixture = buildpack.path().join("test/one");
        fs::create_dir_all(&fixture).unwrap();
        fs::write(fixture.join("expect.toml"), "outputs = ['x']\n").unwrap();
        let error = Fixture::all_of(buildpack.path()).unwrap_err().to_string();
        assert!(error.contains("outputs") && error.contains("expect.toml"), "{error}");
        fs::remove_file(fixture.join("expect.toml")).unwrap();
        assert!(Fixture::all_of(buildpack.path()).is_err());
    }
}
