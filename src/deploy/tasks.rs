//! The tasks around a release: what app.json and the Procfile want to be run once, before and after the switch.
//!
//! `predeploy` runs after a build, in its image, and what it changes becomes part of that image. The `release` task
//! runs in the new release before any instance of it starts. Both reject the deploy when they fail. `postdeploy` runs
//! when the release serves already: its failure is told, and changes nothing.
//!
//! A restart and a scaling run none of them, and neither does a rollback: it is the way out when something fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::deploy::error::{DeployError, TaskFailure};
use crate::deploy::task_output::TaskOutput;
use crate::deploy::{Order, Work, prepare};
use crate::docker::container::{ContainerSpec, OutputLog};
use crate::docker::error::EngineError;
use crate::docker::image::ImageFacts;
use crate::docker::labels::{ContainerKind, ContainerLabels};
use crate::docker::output::OutputChunk;
use crate::formats::procfile;
use crate::model::process_type::ProcessType;
use crate::model::release::{ImageId, ProcessCommand, Release, ReleaseContent, SHELL_ENTRYPOINT};
use crate::run::options::{self, Phase};
use crate::run::predeploy::{self, Predeploy};
use crate::run::start;
use crate::run::surroundings;
use crate::run::task::{self, TaskEnd};
use crate::store::StoreError;
use crate::store::apps::AppRecord;
use crate::urls;

/// The property that says that the script of the first deploy is still to be run.
const FIRST_DEPLOY_OWED: &str = "first-deploy-owed";

/// Pieces of output that may wait for a slow client.
const BACKLOG: usize = 16;

/// Runs the tasks of one deploy.
#[derive(Debug)]
pub struct Tasks<'a> {
    /// The handles.
    pub app: &'a Arc<App>,
    /// The app.
    pub record: &'a AppRecord,
    /// The deploy.
    pub order: &'a Order,
    /// Its number.
    pub build: i64,
}

/// A task: what it is called, and the command as the person wrote it.
#[derive(Clone, Copy, Debug)]
struct Task<'a> {
    name: &'static str,
    whence: &'static str,
    command: &'a str,
}

impl Tasks<'_> {
    /// Whether the deploy of a new release runs tasks at all.
    pub fn are_due(&self, release: &Release) -> bool {
        let is_new = self.record.current_release != Some(release.id);
        is_new && !self.order.work.is_automatic() && !matches!(self.order.work, Work::Rollback { .. })
    }

    /// Runs the predeploy script and puts the image that comes of it in the place of the one that was built.
    pub async fn predeploy(&self, content: &mut ReleaseContent) -> Result<(), DeployError> {
        let Some(script) = content.app_json.scripts.predeploy.clone() else { return Ok(()) };
        let task = Task { name: "predeploy", whence: "app.json", command: &script };
        // Not recorded yet, since its image is about to change.
        let release = Release {
            id: 0,
            version: self.app.store.next_version(self.record.id).await?,
            created_at: 0,
            created_by: self.order.by.clone(),
            description: self.order.description.clone(),
            content: content.clone(),
            formation: content.processes.keys().map(|name| (name.clone(), 0)).collect(),
        };
        let image = self.image(&content.image).await?;
        let spec = self.specification(&release, task, None).await?;
        let environment = spec.environment.clone();
        let order = Predeploy {
            container: spec,
            words: words(&image, &script)?,
            environment,
            image: &image,
            repository: prepare::image_repository(&self.app.engine, &self.record.name),
            tag: format!("build-{}", self.build),
            limit: self.limit(),
        };
        self.announce(task).await;
        let (sink, chunks) = mpsc::channel(BACKLOG);
        let running = predeploy::run(&self.app.engine, order, &self.order.cancel, sink);
        let (ran, ()) = tokio::join!(running, self.show(chunks));
        let (end, image) = ran.map_err(|source| not_started(task, source))?;
        self.judge(task, end)?;
        if let Some(image) = image {
            content.image = image;
        }
        Ok(())
    }

    /// Runs the Procfile's release task in the release that is about to serve.
    pub async fn release(&self, release: &Release) -> Result<(), DeployError> {
        let found = release.content.processes.iter().find(|(name, _)| name.is_release());
        let (name, shown) = match found {
            Some((name, ProcessCommand::Arguments(words))) => (name, procfile::join(words)),
            Some((name, ProcessCommand::Line(line))) => (name, line.clone()),
            Some((_, ProcessCommand::Image)) | None => return Ok(()),
        };
        let task = Task { name: "release", whence: "Procfile", command: &shown };
        let mut spec = self.specification(release, task, Some(name)).await?;
        spec.command = start::command(release, name, &spec.environment);
        self.run(task, spec, &self.order.cancel).await
    }

    /// Runs what is to be run once the release serves. What fails is told, loudly.
    pub async fn postdeploy(&self, release: &Release) {
        // The client may go: what has begun goes on, and `builds:cancel` ends it.
        let cancel = CancellationToken::new();
        self.app.running_builds.enter(self.build, self.order.app, cancel.clone());
        if let Err(error) = self.first_deploy(release, &cancel).await {
            self.tell(release, error).await;
        }
        if let Some(script) = &release.content.app_json.scripts.postdeploy {
            let task = Task { name: "postdeploy", whence: "app.json", command: script };
            if let Err(error) = self.script(release, task, &cancel).await {
                self.tell(release, error).await;
            }
        }
    }

    /// Takes down before the first switch that there is a script for it, so that it is run even if this server is
    /// killed in between.
    pub async fn owe_first_deploy(&self) -> Result<(), StoreError> {
        if self.record.current_release.is_some() {
            return Ok(());
        }
        self.app.store.set_property(Some(self.record.id), FIRST_DEPLOY_OWED, Some("true".to_owned())).await
    }

    /// The script of the first deploy. One that has failed is still owed, and comes again with the next deploy.
    async fn first_deploy(&self, release: &Release, cancel: &CancellationToken) -> Result<(), DeployError> {
        let (store, app) = (&self.app.store, Some(self.record.id));
        if store.property(app, FIRST_DEPLOY_OWED).await?.is_none() {
            return Ok(());
        }
        let Some(script) = &release.content.app_json.scripts.first_deploy else {
            return Ok(store.set_property(app, FIRST_DEPLOY_OWED, None).await?);
        };
        let task = Task { name: "first postdeploy", whence: "app.json", command: script };
        self.script(release, task, cancel).await?;
        Ok(store.set_property(app, FIRST_DEPLOY_OWED, None).await?)
    }

    async fn script(
        &self,
        release: &Release,
        task: Task<'_>,
        cancel: &CancellationToken,
    ) -> Result<(), DeployError> {
        let image = self.image(&release.content.image).await?;
        let mut spec = self.specification(release, task, None).await?;
        spec.command = ProcessCommand::Arguments(words(&image, task.command)?);
        self.run(task, spec, cancel).await
    }

    async fn run(
        &self,
        task: Task<'_>,
        spec: ContainerSpec,
        cancel: &CancellationToken,
    ) -> Result<(), DeployError> {
        self.announce(task).await;
        let (sink, chunks) = mpsc::channel(BACKLOG);
        let running = task::run(&self.app.engine, spec, self.limit(), cancel, sink);
        let (ran, ()) = tokio::join!(running, self.show(chunks));
        self.judge(task, ran.map_err(|source| not_started(task, source))?)
    }

    /// A container of the release with its environment; what it runs is filled in by whoever asks.
    async fn specification(
        &self,
        release: &Release,
        task: Task<'_>,
        process_type: Option<&ProcessType>,
    ) -> Result<ContainerSpec, DeployError> {
        let (app, record) = (self.app, self.record);
        let dyno = task.name.split(' ').next_back().unwrap_or(task.name);
        let port = urls::web_port(&app.store.ports(record.id).await?, &release.content);
        let added = &release.content.additions;
        let labels = ContainerLabels {
            kind: ContainerKind::Task,
            app: record.name.clone(),
            process_type: None,
            instance: None,
            release: Some(release.version),
        };
        let name = format!("{}.{dyno}.{:08x}", record.name, rand::random::<u32>());
        let mut spec = ContainerSpec {
            environment: start::environment(release, &record.name, port, &format!("{dyno}.1")),
            options: options::of(&app.store, record.id, added, process_type, Phase::Run).await?,
            log: OutputLog::Off,
            ..ContainerSpec::new(name, release.content.image.clone(), labels)
        };
        surroundings::add_to(&mut spec, &release.content, &app.surroundings.current().await);
        Ok(spec)
    }

    async fn image(&self, id: &ImageId) -> Result<ImageFacts, DeployError> {
        let gone = || EngineError::NotFound(format!("No such image: {id}"));
        Ok(self.app.engine.image_facts(&id.0).await?.ok_or_else(gone)?)
    }

    async fn announce(&self, task: Task<'_>) {
        let Task { name, whence, command } = task;
        self.order.console.step(format!("Executing {name} task from {whence}: {command}")).await;
    }

    async fn show(&self, mut chunks: mpsc::Receiver<OutputChunk>) {
        let mut output = TaskOutput::new(&self.order.console);
        while let Some(chunk) = chunks.recv().await {
            output.take(&chunk.bytes).await;
        }
        output.finish().await;
    }

    fn limit(&self) -> Duration {
        self.app.settings.deploy.task()
    }

    fn judge(&self, task: Task<'_>, end: TaskEnd) -> Result<(), DeployError> {
        let failure = match end {
            TaskEnd::Exited { code: 0, .. } => return Ok(()),
            TaskEnd::Cancelled => return Err(DeployError::Cancelled),
            TaskEnd::TimeOver => format!("did not end within {} s", self.limit().as_secs()),
            TaskEnd::Exited { out_of_memory: true, .. } => "ran out of memory".to_owned(),
            TaskEnd::Exited { code, .. } => format!("failed with exit code {code}"),
        };
        let (task, command) = (task.name, task.command.to_owned());
        Err(DeployError::Task(TaskFailure { task, command, failure }))
    }

    async fn tell(&self, release: &Release, error: DeployError) {
        let name = &self.record.name;
        let console: &Console = &self.order.console;
        tracing::warn!(app = %name, release = %release.version, %error, "a task after a deploy failed");
        console.warn(CommandError::from(error).lines()).await;
        console.warn(format!("{name} {} serves all the same", release.version)).await;
    }
}

/// A script as arguments: for a shell, unless the image has an entry point, which then gets its words. `tini` is
/// an entry point that runs what it gets.
fn words(image: &ImageFacts, script: &str) -> Result<Vec<String>, DeployError> {
    if image.entrypoint.first().is_some_and(|program| program == SHELL_ENTRYPOINT) {
        return Ok(vec![format!("set -e; {script}")]);
    }
    let program = image.entrypoint.first().and_then(|program| program.rsplit('/').next());
    if matches!(program, None | Some("tini")) {
        return Ok(["/bin/sh", "-c", &format!("set -e; {script}")].map(str::to_owned).to_vec());
    }
    procfile::split(script).ok_or_else(|| DeployError::OpenQuote(script.to_owned()))
}

fn not_started(task: Task<'_>, source: EngineError) -> DeployError {
    DeployError::TaskEngine { task: task.name, source }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(entrypoint: &[&str], script: &str) -> Vec<String> {
        let image = ImageFacts {
            id: ImageId("sha256:0".to_owned()),
            exposed_tcp_ports: Vec::new(),
            has_healthcheck: false,
            entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
            command: Vec::new(),
            working_directory: String::new(),
            environment: Vec::new(),
            labels: BTreeMap::new(),
            size: 0,
            named_at: None,
        };
        words(&image, script).unwrap()
    }

    #[test]
    fn an_entry_point_gets_words_and_a_shell_gets_the_whole_script() {
        assert_eq!(of(&[], "a && b 'c d'"), ["/bin/sh", "-c", "set -e; a && b 'c d'"]);
        assert_eq!(of(&["/usr/bin/tini", "--"], "a"), ["/bin/sh", "-c", "set -e; a"]);
        assert_eq!(of(&["/start.sh"], "a && b 'c d'"), ["a", "&&", "b", "c d"]);
    }
}
