//! Instances that are asked for as long as they run: taken out of the routes while they are not ready, restarted
//! when they do not live any more.
//!
//! There is one small task for each instance that has such checks, and none for all the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::app::App;
use crate::console::Console;
use crate::docker::facts::RunState;
use crate::model::container_id::ContainerId;
use crate::model::health_check::{CheckKind, HealthCheck};
use crate::run::check;
use crate::run::startup::Trial;
use crate::run::wellbeing::{Reason, Watched};

/// The pause between the first and the second restart of an instance; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Restarts longer ago than this do not count any more.
const FORGOTTEN: Duration = Duration::from_secs(900);

/// Watches those that are to be watched, until the server stops.
pub async fn run(app: &Arc<App>) {
    let mut wanted = app.wellbeing.watched();
    let mut tasks = JoinSet::new();
    let mut running: HashMap<ContainerId, (Watched, AbortHandle)> = HashMap::new();
    loop {
        let now = wanted.borrow_and_update().clone();
        running.retain(|container, (watched, task)| {
            let stays = now.iter().any(|wanted| wanted.is_as(watched));
            if !stays {
                task.abort();
                app.wellbeing.forget(container);
            }
            stays
        });
        for instance in now.iter() {
            running
                .entry(instance.subject.container.clone())
                .or_insert_with(|| (instance.clone(), tasks.spawn(watch(app.clone(), instance.clone()))));
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { break },
            Some(_) = tasks.join_next() => {}
            () = app.shutdown.cancelled() => break,
        }
    }
    tasks.shutdown().await;
}

async fn watch(app: Arc<App>, instance: Watched) {
    let checks = instance.checks.iter().enumerate();
    join_all(checks.map(|(number, check)| repeat(&app, &instance, number, check))).await;
}

/// How often an instance was restarted lately.
#[derive(Debug, Default)]
struct Restarts {
    count: u32,
    last: Option<Instant>,
}

impl Restarts {
    /// Whether the next one may come now.
    fn may_restart(&mut self, now: Instant) -> bool {
        let Some(last) = self.last else { return true };
        let elapsed = now.duration_since(last);
        if elapsed >= FORGOTTEN {
            self.count = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.count.saturating_sub(1)));
        self.count == 0 || elapsed >= pause.min(LONGEST_PAUSE)
    }

    fn note(&mut self, now: Instant) {
        self.count += 1;
        self.last = Some(now);
    }
}

/// Makes one check again and again. Ends with the task.
async fn repeat(app: &Arc<App>, instance: &Watched, number: usize, check: &HealthCheck) {
    let mut failures = 0;
    let mut restarts = Restarts::default();
    sleep(check.initial_delay).await;
    loop {
        sleep(check.wait).await;
        let failure = match check::attempt(&instance.subject, check).await {
            Ok(Ok(())) => {
                failures = 0;
                succeeded(app, instance, number, check).await;
                continue;
            }
            Ok(Err(failure)) => without_body(&failure),
            // That the engine is away says nothing of the instance.
            Err(error) => {
                tracing::debug!(app = %instance.app_name, instance = %instance.name, %error, "cannot be checked");
                continue;
            }
        };
        failures += 1;
        if failures < check.attempts {
            continue;
        }
        match check.kind {
            _ if check.warn => {
                if failures == check.attempts {
                    tracing::warn!(app = %instance.app_name, instance = %instance.name, failure, "a check fails, which is only a warning");
                }
            }
            CheckKind::Startup | CheckKind::Readiness => not_ready(app, instance, number, &failure).await,
            CheckKind::Liveness => {
                if restarts.may_restart(Instant::now()) && restart(app, instance, &failure).await {
                    restarts.note(Instant::now());
                    failures = 0;
                }
            }
        }
    }
}

async fn succeeded(app: &Arc<App>, instance: &Watched, number: usize, check: &HealthCheck) {
    if check.kind == CheckKind::Liveness {
        return;
    }
    if app.wellbeing.clear(&instance.subject.container, Reason::Check(number)) {
        tracing::info!(app = %instance.app_name, instance = %instance.name, "an instance is ready again and gets requests");
        say(app, instance, "ready again: it gets requests").await;
        app.reconciler.publish_routes().await;
    }
}

async fn not_ready(app: &Arc<App>, instance: &Watched, number: usize, failure: &str) {
    if app.wellbeing.set_unready(&instance.subject.container, Reason::Check(number)) {
        tracing::warn!(app = %instance.app_name, instance = %instance.name, failure, "an instance is not ready and gets no requests");
        say(app, instance, &format!("not ready, it gets no requests: {failure}")).await;
        app.reconciler.publish_routes().await;
    }
}

/// Says it in the app's log.
async fn say(app: &App, instance: &Watched, what: &str) {
    app.logs.platform_line(instance.app, &instance.name.to_string(), what).await;
}

/// Restarts the container, and has it left alone by requests until it has passed its startup checks. False if that
/// is nothing for now.
async fn restart(app: &Arc<App>, instance: &Watched, failure: &str) -> bool {
    // Whoever deploys is about to replace it.
    if app.leases.try_acquire(instance.app).is_none() {
        return false;
    }
    let container = &instance.subject.container;
    // One that has ended is started by the engine, with pauses of its own.
    let runs =
        app.engine.inspect(container.as_str()).await.is_ok_and(|facts| facts.state == RunState::Running);
    if !runs {
        return false;
    }
    tracing::warn!(app = %instance.app_name, instance = %instance.name, failure, "restarting an instance whose liveness check failed");
    say(app, instance, &format!("its liveness check failed, restarting it: {failure}")).await;
    app.wellbeing.set_unready(container, Reason::Restart);
    app.reconciler.publish_routes().await;
    match app.engine.restart(container).await {
        Ok(()) => wait_until_up(instance).await,
        Err(error) if error.is_not_found() => {}
        Err(error) => {
            tracing::warn!(app = %instance.app_name, instance = %instance.name, %error, "an instance cannot be restarted");
        }
    }
    app.wellbeing.clear(container, Reason::Restart);
    app.reconciler.publish_routes().await;
    true
}

async fn wait_until_up(instance: &Watched) {
    // Nobody sits at it.
    let (console, _) = Console::new();
    let trial = Trial {
        subject: &instance.subject,
        name: &instance.name,
        checks: &instance.startup,
        deadline: instance.deadline,
        window: Duration::ZERO,
        console: &console,
    };
    match timeout(instance.deadline, trial.again()).await {
        Ok(Ok(())) => {
            tracing::info!(app = %instance.app_name, instance = %instance.name, "a restarted instance is up again");
        }
        Ok(Err(error)) => {
            let error = without_body(&error);
            tracing::warn!(app = %instance.app_name, instance = %instance.name, error, "a restarted instance does not come up");
        }
        Err(_) => {
            tracing::warn!(app = %instance.app_name, instance = %instance.name, "a restarted instance takes long to come up");
        }
    }
}

/// The first line of a failure. What an app answered stands below it, and belongs into no log.
fn without_body(failure: &impl ToString) -> String {
    let text = failure.to_string();
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_become_rarer_and_are_forgotten() {
        let (mut restarts, mut now) = (Restarts::default(), Instant::now());
        assert!(restarts.may_restart(now));
        for pause in [10, 20, 40, 80, 160, 300, 300].map(Duration::from_secs) {
            restarts.note(now);
            now += pause;
            assert!(!restarts.may_restart(now.checked_sub(Duration::from_secs(1)).unwrap()), "{pause:?}");
            assert!(restarts.may_restart(now), "{pause:?}");
        }
        now += FORGOTTEN;
        assert!(restarts.may_restart(now));
        restarts.note(now);
        assert!(restarts.may_restart(now + FIRST_PAUSE));
    }
}
