//! When a new instance counts as healthy: its checks pass, and it stays up for a moment afterwards.
//!
//! Without checks of its own, a web instance is healthy when `GET /` has any answer below 500, and any other one
//! when it has been up for a second. All waiting ends at once when the instance does.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::console::Console;
use crate::docker::error::EngineError;
use crate::docker::facts::{ContainerFacts, Health, RunState};
use crate::model::health_check::HealthCheck;
use crate::model::process_type::InstanceName;
use crate::run::check::{self, Excerpt, Failure, Subject};
use crate::run::health::{self, Unhealthy};
use crate::run::http_probe::{Answer, NoAnswer, Question, ask};
use crate::run::probe;

/// How long a process that has no port to be asked on must stay up.
const UPTIME: Duration = Duration::from_secs(1);
/// Pauses between two looks: short at first, since most apps are up within milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause between two looks at the container.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause while nothing listens: to be refused a connection costs next to nothing.
const LONGEST_PAUSE_BETWEEN_CONNECTIONS: Duration = Duration::from_millis(25);
/// The longest pause once it answers: each attempt is a request in the app's log.
const LONGEST_PAUSE_BETWEEN_ANSWERS: Duration = Duration::from_millis(500);
/// How long one answer to the default check may take, as long as the router's clients are patient.
const ANSWER: Duration = Duration::from_secs(30);
/// Statuses from here on are the app's own failures.
const FAILURES: u16 = 500;

/// Why an instance is not up.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// It is not healthy.
    #[error("{0}")]
    Unhealthy(Unhealthy),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A new instance and what it has to pass.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The instance.
    pub subject: &'a Subject,
    /// Its name.
    pub name: &'a InstanceName,
    /// Its own checks; without any, the default holds.
    pub checks: &'a [HealthCheck],
    /// How long the default check and the image's own may take.
    pub deadline: Duration,
    /// How long it has to stay up after its checks.
    pub window: Duration,
    /// Where progress goes.
    pub console: &'a Console,
}

impl Trial<'_> {
    /// Waits until its checks have passed, or one has failed for good.
    pub async fn pass(&self) -> Result<(), StartupError> {
        let subject = self.subject;
        let facts = subject.engine.inspect(subject.container.as_str()).await?;
        if let Some(reason) = health::ended(&facts) {
            return Err(StartupError::Unhealthy(reason));
        }
        let passing = async {
            let (own, image) = tokio::join!(self.own_or_default(), self.image_check(&facts));
            own.and(image)
        };
        tokio::select! {
            passed = passing => match passed {
                // One that has just ended answers nothing, and that it has ended is the better news.
                Err(StartupError::Unhealthy(reason)) => Err(self.ended_or(reason).await?),
                other => other,
            },
            ended = self.end() => Err(ended?),
        }
    }

    /// Makes the checks of an instance that has been running, however often it ended before.
    pub async fn again(&self) -> Result<(), StartupError> {
        let facts = self.subject.engine.inspect(self.subject.container.as_str()).await?;
        if facts.state != RunState::Running {
            return Err(StartupError::Unhealthy(
                health::ended(&facts).unwrap_or(Unhealthy::Exited { code: None, out_of_memory: false }),
            ));
        }
        self.own_or_default().await
    }

    /// Waits for the stability window, and makes sure that the instance that passed is still the same one.
    pub async fn stay_up(&self, began: Instant) -> Result<(), StartupError> {
        let idle = self.checks.is_empty() && !self.name.process_type.is_web();
        let uptime = if idle { UPTIME.saturating_sub(began.elapsed()) } else { Duration::ZERO };
        let mut left = self.window.max(uptime);
        loop {
            let pause = left.min(UPTIME);
            sleep(pause).await;
            left -= pause;
            let facts = self.subject.engine.inspect(self.subject.container.as_str()).await?;
            match health::ended(&facts) {
                Some(reason) => return Err(StartupError::Unhealthy(reason)),
                None if left.is_zero() => return Ok(()),
                None => {}
            }
        }
    }

    /// Returns when the instance has ended, and says how.
    async fn end(&self) -> Result<StartupError, EngineError> {
        loop {
            sleep(LONGEST_PAUSE).await;
            let facts = self.subject.engine.inspect(self.subject.container.as_str()).await?;
            if let Some(reason) = health::ended(&facts) {
                return Ok(StartupError::Unhealthy(reason));
            }
        }
    }

    async fn ended_or(&self, reason: Unhealthy) -> Result<StartupError, EngineError> {
        let facts = self.subject.engine.inspect(self.subject.container.as_str()).await?;
        Ok(StartupError::Unhealthy(health::ended(&facts).unwrap_or(reason)))
    }

    async fn own_or_default(&self) -> Result<(), StartupError> {
        if self.checks.is_empty() {
            return if self.name.process_type.is_web() { self.answers().await } else { Ok(()) };
        }
        self.console.step(format!("Executing {} healthchecks", self.checks.len())).await;
        let runs = self.checks.iter().enumerate().map(|(index, check)| self.own(index + 1, check));
        let mut failed = Vec::new();
        for outcome in join_all(runs).await {
            failed.extend(outcome?);
        }
        if failed.is_empty() {
            return Ok(());
        }
        let facts = self.subject.engine.inspect(self.subject.container.as_str()).await?;
        let listening = health::listening(&facts).await;
        Err(StartupError::Unhealthy(Unhealthy::Checks { failed, listening }))
    }

    /// Runs one check to its end; gives its name and the reason if it failed and that matters.
    async fn own(&self, number: usize, check: &HealthCheck) -> Result<Option<(String, String)>, EngineError> {
        let (console, instance) = (self.console, self.name);
        let name = check.name.clone().unwrap_or_else(|| format!("check-{number}"));
        console.detail(format!("Running healthcheck name='{name}' {check} ({instance})")).await;
        let Err(failure) = to_the_end(self.subject, check).await? else {
            console.detail(format!("Healthcheck succeeded name='{name}' ({instance})")).await;
            return Ok(None);
        };
        let warning = if check.warn { ", which is only a warning" } else { "" };
        console.detail(format!("Failure in name='{name}' ({instance}){warning}: {failure}")).await;
        Ok((!check.warn).then(|| (name, failure.to_string())))
    }

    /// Asks as a visitor would, until there is an answer that is no failure of the app's.
    async fn answers(&self) -> Result<(), StartupError> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let left = self.deadline.saturating_sub(began.elapsed());
            let outcome = ask(&default_question(self.subject), left.clamp(LONGEST_PAUSE, ANSWER)).await;
            let longest = match &outcome {
                Ok(answer) if answer.status < FAILURES => return Ok(()),
                Err(NoAnswer::NotListening(_)) => LONGEST_PAUSE_BETWEEN_CONNECTIONS,
                _ => LONGEST_PAUSE_BETWEEN_ANSWERS,
            };
            if began.elapsed() >= self.deadline {
                return Err(StartupError::Unhealthy(self.diagnose(outcome).await?));
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn diagnose(&self, last: Result<Answer, NoAnswer>) -> Result<Unhealthy, EngineError> {
        let waited = self.deadline;
        Ok(match last {
            Ok(answer) => {
                Unhealthy::Unwell { status: answer.status, body: Excerpt::new(&answer.body), waited }
            }
            Err(NoAnswer::NotListening(port)) => {
                let facts = self.subject.engine.inspect(self.subject.container.as_str()).await?;
                Unhealthy::NotListening { port, instead: health::listening(&facts).await, waited }
            }
            Err(reason) => Unhealthy::NoAnswer { reason: reason.to_string(), waited },
        })
    }

    /// Waits until the image's own check succeeds, if it has one: asked here until the engine has a verdict.
    async fn image_check(&self, facts: &ContainerFacts) -> Result<(), StartupError> {
        if facts.health == Health::None {
            return Ok(());
        }
        let subject = self.subject;
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            if let Some(command) = &facts.health_command {
                match probe::succeeds(&subject.engine, &subject.container, command).await {
                    Ok(true) => return Ok(()),
                    // In a conflict it ended meanwhile: the next look says how.
                    Ok(false) | Err(EngineError::Conflict(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let now = subject.engine.inspect(subject.container.as_str()).await?;
            if now.health == Health::Healthy {
                return Ok(());
            }
            if began.elapsed() >= self.deadline {
                return Err(StartupError::Unhealthy(Unhealthy::ImageCheck { waited: self.deadline }));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE_BETWEEN_ANSWERS);
        }
    }
}

/// `GET /`, as the router would ask for a visitor.
fn default_question(subject: &Subject) -> Question<'_> {
    Question {
        address: SocketAddr::new(IpAddr::V4(subject.address), subject.port),
        tls: false,
        path: "/",
        host: &subject.host,
        forwarded_proto: check::forwarded_proto(subject),
        headers: &[],
        content: None,
    }
}

/// Makes a check's attempts until one succeeds.
///
/// While nothing listens yet, no attempt is spent: the instance is booting, and is asked as soon as it listens. All
/// ends when all attempts would have.
pub async fn to_the_end(subject: &Subject, check: &HealthCheck) -> Result<Result<(), Failure>, EngineError> {
    let deadline = Instant::now() + check.longest();
    sleep(check.initial_delay).await;
    let (mut attempts, mut pause) = (1, FIRST_PAUSE);
    loop {
        let Err(failure) = check::attempt(subject, check).await? else { return Ok(Ok(())) };
        if failure.is_silence() {
            if Instant::now() + pause > deadline {
                return Ok(Err(failure));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            continue;
        }
        if attempts >= check.attempts || matches!(failure, Failure::NotUp(_)) {
            return Ok(Err(failure));
        }
        attempts += 1;
        sleep(check.wait).await;
    }
}
