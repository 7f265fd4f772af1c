//! What `docker-options:add` and `docker-options:remove` are told: phases, process types, options.

use clap::Args;

use crate::command_error::CommandError;
use crate::model::docker_option::DockerOption;
use crate::model::mount::MountText;
use crate::model::phase::Phase;
use crate::model::process_scope::ProcessScope;
use crate::store::docker_options::StoredOption;

/// `[--process PROCESS]… APP PHASES OPTION…`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// One process type, in the phase deploy only; may be repeated
    #[arg(long, value_name = "PROCESS")]
    process: Vec<String>,
    /// The app
    pub app: String,
    /// build, deploy, run, or several with commas between
    #[arg(value_name = "PHASES")]
    phases: String,
    /// Options as Docker writes them, for example "--ulimit nofile=4096"
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<String>,
}

/// The same, read.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Options of the engine's.
    pub options: Vec<StoredOption>,
    /// Mounts, which are kept with the others.
    pub mounts: Vec<WantedMount>,
}

/// A mount and what it is for.
#[derive(Debug)]
pub struct WantedMount {
    /// What is mounted where.
    pub text: MountText,
    /// In which phases.
    pub phases: Vec<Phase>,
    /// For which process types.
    pub scopes: Vec<ProcessScope>,
    /// Whether at most one instance may hold it.
    pub exclusive: bool,
}

impl Arguments {
    /// Reads all of it, or says what is wrong.
    pub fn read(&self) -> Result<Wanted, CommandError> {
        let phases = Phase::parse_list(&self.phases).map_err(CommandError::user)?;
        let (processes, words) = self.split();
        let scopes = scopes(&processes, &phases)?;
        let mut wanted = Wanted::default();
        for phase in &phases {
            for option in DockerOption::parse(&words, *phase).map_err(CommandError::user)? {
                match option.as_mount() {
                    Some(text) => wanted.add_mount(text.map_err(CommandError::user)?, *phase, &scopes),
                    None => {
                        let stored = |scope: &ProcessScope| StoredOption {
                            phase: *phase,
                            scope: scope.clone(),
                            option: option.clone(),
                        };
                        wanted.options.extend(scopes.iter().map(stored));
                    }
                }
            }
        }
        Ok(wanted)
    }

    /// Takes a `--process` that stands behind the phases from the options, where Dokku lets it stand as well.
    fn split(&self) -> (Vec<String>, Vec<String>) {
        let mut processes = self.process.clone();
        let mut words = self.options.as_slice();
        loop {
            words = match words {
                [flag, process, rest @ ..] if flag == "--process" => {
                    processes.push(process.clone());
                    rest
                }
                [flag, rest @ ..] if flag.starts_with("--process=") => {
                    processes.extend(flag.split_once('=').map(|(_, process)| process.to_owned()));
                    rest
                }
                rest => return (processes, rest.to_vec()),
            };
        }
    }
}

impl Wanted {
    fn add_mount(&mut self, text: MountText, phase: Phase, scopes: &[ProcessScope]) {
        match self.mounts.iter_mut().find(|mount| mount.text == text) {
            Some(mount) => mount.phases.push(phase),
            None => {
                self.mounts.push(WantedMount {
                    text,
                    phases: vec![phase],
                    scopes: scopes.to_vec(),
                    exclusive: false,
                });
            }
        }
    }
}

/// The process types that were named, or the default.
pub fn scopes(processes: &[String], phases: &[Phase]) -> Result<Vec<ProcessScope>, CommandError> {
    if processes.is_empty() {
        return Ok(vec![ProcessScope::Default]);
    }
    if phases != [Phase::Deploy] {
        return Err(CommandError::user("--process is for the phase deploy only")
            .hint("Add the options of other phases by themselves, without --process"));
    }
    let named = |name: &String| match name.parse() {
        Ok(ProcessScope::Default) => Err(CommandError::user("_default_ is reserved")
            .hint("Leave out --process: the option is for all process types then")),
        other => other.map_err(CommandError::user),
    };
    processes.iter().map(named).collect()
}
