//! Options of Docker's own command line (`docker run`, `docker build`) that an app's containers can have.
//!
//! They are read from an allow-list and become fields of a request to the engine; no word of a person's ever reaches
//! a command line. What would let whoever may deploy act on the host is refused by name, with the reason.

mod apply;
mod refused;

use std::borrow::Cow;
use std::fmt;

use crate::model::container_options::ContainerOptions;
use crate::model::docker_option::apply::ValueError;
use crate::model::mount::{MountError, MountText};
use crate::model::phase::Phase;

/// One option with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerOption {
    flag: &'static Flag,
    value: Option<String>,
}

/// A flag that is known.
#[derive(Debug, PartialEq, Eq)]
struct Flag {
    /// Its name, without the hyphens.
    name: &'static str,
    /// Its letter.
    letter: Option<char>,
    /// Whether a value follows.
    takes_value: bool,
    /// Whether a container can have it.
    of_containers: bool,
    /// Whether a build can have it.
    of_builds: bool,
}

/// Why words are no options.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionError {
    /// There are none.
    #[error("No option specified\nFor example: --ulimit nofile=4096")]
    Nothing,
    /// A quote is not closed.
    #[error("{0} cannot be split into words: a quote is not closed")]
    Quotes(String),
    /// A word is where an option should be.
    #[error("{0} is not an option: options begin with a hyphen")]
    NotAFlag(String),
    /// The flag is not on the list.
    #[error("--{flag} is not supported\nThe phase {phase} knows: {known}")]
    Unknown {
        /// As it was typed.
        flag: String,
        /// The phase.
        phase: Phase,
        /// All that are.
        known: String,
    },
    /// The flag is left out for a reason.
    #[error("--{flag} is not allowed: {reason}")]
    Refused {
        /// Its name.
        flag: String,
        /// The reason, and what to do instead.
        reason: &'static str,
    },
    /// The value is missing.
    #[error("--{0} needs a value")]
    NoValue(&'static str),
    /// The flag takes no value.
    #[error("--{0} takes no value")]
    Value(&'static str),
    /// The value makes no sense.
    #[error("--{flag}: {reason}")]
    Wrong {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        reason: ValueError,
    },
    /// What is mounted makes no sense.
    #[error(transparent)]
    Mount(#[from] MountError),
}

const fn container(name: &'static str, letter: Option<char>) -> Flag {
    Flag { name, letter, takes_value: true, of_containers: true, of_builds: false }
}

const fn switch(name: &'static str) -> Flag {
    Flag { name, letter: None, takes_value: false, of_containers: true, of_builds: false }
}

/// All flags that are known, in the order of their names.
static FLAGS: &[Flag] = &[
    Flag { of_builds: true, ..container("add-host", None) },
    Flag { of_builds: true, of_containers: false, ..container("build-arg", None) },
    container("cap-add", None),
    container("cap-drop", None),
    container("cpu-shares", Some('c')),
    container("cpus", None),
    container("cpuset-cpus", None),
    container("dns", None),
    container("dns-option", None),
    container("dns-search", None),
    container("entrypoint", None),
    container("env", Some('e')),
    container("hostname", Some('h')),
    switch("init"),
    container("label", Some('l')),
    container("memory", Some('m')),
    container("memory-reservation", None),
    container("memory-swap", None),
    container("mount", None),
    container("network", None),
    container("network-alias", None),
    container("oom-score-adj", None),
    container("pids-limit", None),
    switch("read-only"),
    container("shm-size", None),
    container("stop-signal", None),
    container("sysctl", None),
    container("tmpfs", None),
    container("ulimit", None),
    container("user", Some('u')),
    container("volume", Some('v')),
    container("workdir", Some('w')),
];

impl DockerOption {
    /// Reads the options of a phase: one word that holds them all, or word by word.
    pub fn parse(words: &[String], phase: Phase) -> Result<Vec<Self>, OptionError> {
        let words = split(words)?;
        let mut words = words.into_iter().peekable();
        let mut options = Vec::new();
        while let Some(word) = words.next() {
            let (name, mut value) = read_word(&word)?;
            let flag = find(&name, phase)?;
            if flag.takes_value && value.is_none() {
                value = words.next();
            }
            options.push(Self::check(flag, value, phase)?);
        }
        if options.is_empty() { Err(OptionError::Nothing) } else { Ok(options) }
    }

    /// Reads an option back from its parts.
    pub fn from_parts(name: &str, value: Option<String>, phase: Phase) -> Result<Self, OptionError> {
        Self::check(find(name, phase)?, value, phase)
    }

    fn check(flag: &'static Flag, value: Option<String>, phase: Phase) -> Result<Self, OptionError> {
        match (&value, flag.takes_value) {
            (None, true) => return Err(OptionError::NoValue(flag.name)),
            // Docker's switches can be written as `--init=true`, too; the other way round they say nothing.
            (Some(value), false) if value != "true" => return Err(OptionError::Value(flag.name)),
            _ => {}
        }
        let option = Self { flag, value: value.filter(|_| flag.takes_value) };
        if phase == Phase::Build {
            option.check_for_build()?;
        } else if let Some(mount) = option.as_mount() {
            mount?;
        } else {
            option.apply(&mut ContainerOptions::default())?;
        }
        Ok(option)
    }

    /// The flag's name, without the hyphens.
    pub fn name(&self) -> &'static str {
        self.flag.name
    }

    /// Its value, if it has one.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What it mounts, if it is a mount of something that lasts.
    pub fn as_mount(&self) -> Option<Result<MountText, MountError>> {
        let value = self.value.as_deref().unwrap_or_default();
        match self.flag.name {
            "volume" => Some(value.parse()),
            "mount" => Some(apply::long_mount(value)),
            _ => None,
        }
    }

    /// The network that it joins, if it does.
    pub fn as_network(&self) -> Option<&str> {
        self.value().filter(|_| self.flag.name == "network")
    }

    /// Whether it gives the containers a name on the networks that they join.
    pub fn is_network_alias(&self) -> bool {
        self.flag.name == "network-alias"
    }

    /// The name and the value of a build argument; without a value it is the config var's of that name.
    pub fn as_build_argument(&self) -> Option<(&str, Option<&str>)> {
        let value = self.value().filter(|_| self.flag.name == "build-arg")?;
        Some(value.split_once('=').map_or((value, None), |(name, value)| (name, Some(value))))
    }

    /// As it is typed, with what may be a secret left out: the values of variables and of build arguments.
    pub fn redacted(&self) -> String {
        let secret = matches!(self.flag.name, "env" | "build-arg");
        match self.value().and_then(|value| value.split_once('=')).filter(|_| secret) {
            Some((name, _)) => format!("--{} {name}=***", self.flag.name),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for DockerOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "--{}", self.flag.name),
            Some(value) => {
                write!(f, "--{} {}", self.flag.name, quoted(value))
            }
        }
    }
}

/// As a shell would need it, with quotes only where it would.
fn quoted(value: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-=:/.,+@%".contains(&b);
    if !value.is_empty() && value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    // Only a NUL cannot be quoted, and no word that came through a command line has one.
    shlex::try_quote(value).unwrap_or_default()
}

/// Splits words that hold several, as Dokku's users write them: `"--ulimit nofile=64 --init"`.
fn split(words: &[String]) -> Result<Vec<String>, OptionError> {
    let mut all = Vec::new();
    for word in words {
        let before_value = word.split('=').next().unwrap_or_default();
        if word.starts_with('-') && before_value.contains(char::is_whitespace) || words.len() == 1 {
            all.extend(shlex::split(word).ok_or_else(|| OptionError::Quotes(word.clone()))?);
        } else {
            all.push(word.clone());
        }
    }
    Ok(all)
}

/// A word's flag and the value that is part of it: `--name`, `--name=value`, `-n`, `-nvalue`, `-n=value`.
fn read_word(word: &str) -> Result<(String, Option<String>), OptionError> {
    let not_a_flag = || OptionError::NotAFlag(word.to_owned());
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        if name.is_empty() {
            return Err(not_a_flag());
        }
        return Ok((name.to_owned(), value.map(str::to_owned)));
    }
    let short = word.strip_prefix('-').ok_or_else(not_a_flag)?;
    let mut characters = short.chars();
    let letter = characters.next().ok_or_else(not_a_flag)?;
    let rest = characters.as_str();
    let value = rest.strip_prefix('=').unwrap_or(rest);
    Ok((letter.to_string(), (!rest.is_empty()).then(|| value.to_owned())))
}

fn find(name: &str, phase: Phase) -> Result<&'static Flag, OptionError> {
    let is_letter = |flag: &Flag| flag.letter.is_some_and(|letter| name.chars().eq([letter]));
    let fits = |flag: &Flag| if phase == Phase::Build { flag.of_builds } else { flag.of_containers };
    // Docker's older name.
    let name = if name == "net" { "network" } else { name };
    let found = FLAGS.iter().filter(|flag| fits(flag)).find(|flag| flag.name == name || is_letter(flag));
    if let Some(flag) = found {
        return Ok(flag);
    }
    if let Some((flag, reason)) = refused::reason(name, phase) {
        return Err(OptionError::Refused { flag: flag.to_owned(), reason });
    }
    let known: Vec<String> =
        FLAGS.iter().filter(|flag| fits(flag)).map(|flag| format!("--{}", flag.name)).collect();
    Err(OptionError::Unknown { flag: name.to_owned(), phase, known: known.join(" ") })
}

#[cfg(test)]
mod tests;
