//! What a one-off container is made of: a process beside an app's instances, by its words or by a process type's name.

use crate::docker::container::ContainerSpec;
use crate::docker::labels::{ContainerKind, ContainerLabels};
use crate::formats::procfile;
use crate::model::app_name::AppName;
use crate::model::config_var::ConfigVars;
use crate::model::process_type::ProcessType;
use crate::model::release::{ProcessCommand, Release};
use crate::model::surroundings::Surroundings;
use crate::run::options::{self, OptionsError, Phase};
use crate::run::start;
use crate::run::surroundings;
use crate::store::Store;
use crate::store::apps::AppId;

/// A one-off process of an app's release.
#[derive(Clone, Debug)]
pub struct OneOff<'a> {
    /// Who asked for it: a person, or a schedule.
    pub kind: ContainerKind,
    /// The app's row.
    pub app: AppId,
    /// The app's name.
    pub app_name: &'a AppName,
    /// The release whose image and config vars it has.
    pub release: &'a Release,
    /// What web processes have as `PORT`.
    pub port: u16,
    /// Its `DYNO`, which is also the end of its name: `run.1234`.
    pub dyno: String,
    /// The command, or a process type and words that are added to its command.
    pub words: Vec<String>,
    /// Variables of its own.
    pub variables: ConfigVars,
    /// What containers need to get out of this host.
    pub surroundings: &'a Surroundings,
}

impl OneOff<'_> {
    /// The process type that the first word names, if it does.
    pub fn process_type(&self) -> Option<ProcessType> {
        let named: ProcessType = self.words.first()?.parse().ok()?;
        self.release.content.processes.contains_key(&named).then_some(named)
    }

    /// The container: no terminal, no input, its output kept by the engine.
    pub async fn specification(self, store: &Store) -> Result<ContainerSpec, OptionsError> {
        let mut environment = start::environment(self.release, self.app_name, self.port, &self.dyno);
        environment.extend(self.variables.clone());
        let named = self.process_type();
        let added = &self.release.content.additions;
        let options = options::of(store, self.app, added, named.as_ref(), Phase::Run).await?;
        let (command, entrypoint) = match named {
            Some(name) => {
                let mut command = start::command(self.release, &name, &environment);
                let added = self.words.into_iter().skip(1);
                match &mut command {
                    ProcessCommand::Arguments(arguments) => arguments.extend(added),
                    ProcessCommand::Line(line) => {
                        let added: Vec<String> = added.collect();
                        if !added.is_empty() {
                            *line = format!("{line} {}", procfile::join(&added));
                        }
                    }
                    ProcessCommand::Image => {}
                }
                (command, None)
            }
            None if self.release.content.shell_entrypoint().is_some() => {
                (ProcessCommand::Arguments(self.words), None)
            }
            // A person's words are a command of their own, not arguments of the image's entry point.
            None => (ProcessCommand::Arguments(self.words), Some(Vec::new())),
        };
        let labels = ContainerLabels {
            kind: self.kind,
            app: self.app_name.clone(),
            process_type: None,
            instance: None,
            release: Some(self.release.version),
        };
        let name = format!("{}.{}", self.app_name, self.dyno);
        let mut spec = ContainerSpec {
            command,
            entrypoint,
            environment,
            options,
            ..ContainerSpec::new(name, self.release.content.image.clone(), labels)
        };
        surroundings::add_to(&mut spec, &self.release.content, self.surroundings);
        Ok(spec)
    }
}
