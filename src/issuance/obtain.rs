//! Gets an app what certificates it lacks. What it has stays in force until then, whatever happens.

use std::collections::BTreeSet;
use std::sync::Arc;

use instant_acme::Account;
use slipway_router::certificate::Certificate;

use crate::acme::error::AcmeError;
use crate::acme::order::{self, Issued, Wanted};
use crate::acme::renewal_info::Predecessor;
use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::hooks::Scene;
use crate::issuance::account;
use crate::issuance::budget;
use crate::issuance::choice::Choice;
use crate::issuance::need::{self, Need};
use crate::issuance::plan;
use crate::issuance::proofs::Prover;
use crate::issuance::telling::Telling;
use crate::model::certificate::{CertificateKind, CertificateName};
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::hostname::Hostname;
use crate::store::acme::AcmeState;
use crate::store::apps::AppRecord;
use crate::store::certificates::{CertificatePair, CertificateRecord, NewCertificate};

/// What somebody asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// Also where nothing is due yet.
    pub force: bool,
    /// Also where names do not seem to lead here.
    pub unchecked: bool,
    /// Also where a failure was a moment ago: a person has mended something.
    pub at_once: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Obtained {
    /// How many certificates were issued.
    pub issued: usize,
    /// Names that have none, and why.
    pub left_out: Vec<String>,
}

/// Gets what is lacking, and notes what came of it. One at a time for each app.
pub async fn obtain(
    app: &Arc<App>,
    record: &AppRecord,
    request: Request,
    telling: &Telling,
) -> Result<Obtained, CommandError> {
    let _lease = app.issuing.acquire(record.id).await;
    let choice = Choice::of(&app.store, record.id).await?;
    if !choice.enabled {
        // It was turned off while this waited for its turn.
        return Ok(Obtained::default());
    }
    let mut state = app.store.acme_state(record.id).await?;
    let need = need::of(app, record, &choice, request, &state).await?;
    if need.is_nothing() {
        return Ok(Obtained::default());
    }
    if !need.is_hopeless {
        for astray in &need.left_out {
            telling.warn(format!("Left out: {astray}")).await;
        }
    }
    state.tried.clone_from(&need.wanted);
    state.last_attempt = Some(clock::unix_seconds());
    let result = match need.is_hopeless {
        true => Err(need::nothing_possible(record, &need.left_out).into()),
        false => order_all(app, record, (&choice, &need), telling).await,
    };
    match &result {
        Ok(issued) => {
            if *issued > 0 {
                state.directory = Some(choice.directory.to_string());
                (state.asked_at, state.suggested) = (None, None);
            }
            (state.failures, state.last_error, state.next_attempt) = (0, None, None);
        }
        Err(error) => note_failure(&mut state, &need, error),
    }
    app.store.set_acme_state(record.id, &state).await?;
    match result {
        Ok(issued) => Ok(Obtained { issued, left_out: need.left_out }),
        Err(failure) => {
            telling.log(format!("No certificate: {}", failure.error.lines())).await;
            Err(failure.error)
        }
    }
}

/// A failure, and before when nothing is tried again.
struct Failure {
    error: CommandError,
    until: Option<i64>,
}

impl<T: Into<CommandError>> From<T> for Failure {
    fn from(error: T) -> Self {
        Self { error: error.into(), until: None }
    }
}

fn note_failure(state: &mut AcmeState, need: &Need, failure: &Failure) {
    let now = clock::unix_seconds();
    // Waiting for room in a limit is no failure of anybody's.
    if failure.until.is_none() {
        state.failures = state.failures.saturating_add(1);
    }
    let pause = plan::pause(state.failures, need.earliest_end.map(|end| end - now));
    // Up to a tenth more, so that the apps of a host do not all come back at once.
    let pause = pause + i64::from(rand::random::<u8>()) * pause / 2560;
    state.next_attempt = Some(failure.until.unwrap_or(now + pause));
    state.last_error = Some(failure.error.lines());
}

async fn order_all(
    app: &Arc<App>,
    record: &AppRecord,
    (choice, need): (&Choice, &Need),
    telling: &Telling,
) -> Result<usize, Failure> {
    for group in &need.groups {
        let names: Vec<String> = group.names.iter().map(Hostname::to_string).collect();
        let now = clock::unix_seconds();
        if let Some(exhausted) = budget::check(&app.store, &choice.directory, &names, now).await? {
            let until = clock::format_seconds(exhausted.until);
            let error = CommandError::user(format!("The authority's limit is used up: {}", exhausted.why))
                .hint(format!("It goes on by itself at {until}; for trying things out use --staging"));
            return Err(Failure { error, until: Some(exhausted.until) });
        }
        telling.step(format!("Ordering a certificate for {}", names.join(", "))).await;
        let account = account::of(app, record, choice).await?;
        let replaces = predecessor(app, group.held.as_ref(), need.asked).await?;
        let wanted = Wanted { names, key: choice.key, replaces };
        let issued = match issue(app, &account, (choice, &wanted), telling).await {
            Err(error) if error.is_about_a_lost_account() => {
                let account = account::anew(app, record, choice).await?;
                issue(app, &account, (choice, &wanted), telling).await
            }
            result => result,
        };
        let issued = match issued {
            Ok(issued) => issued,
            Err(error) => return Err(refused(app, choice, record, error).await?),
        };
        let until = keep(app, record, &group.name, issued).await?;
        budget::note_issued(&app.store, &choice.directory, &wanted.names).await?;
        telling.detail(format!("It is in force, and valid until {until}")).await;
    }
    forget_rest(app, record, need).await?;
    Ok(need.groups.len())
}

/// Orders it; where the authority does not take the word on what is replaced, without that word.
async fn issue(
    app: &App,
    account: &Account,
    (choice, wanted): (&Choice, &Wanted),
    telling: &Telling,
) -> Result<Issued, AcmeError> {
    let prover = Prover { app, choice: choice.challenge, telling };
    match order::issue(account, wanted, &prover, &app.shutdown).await {
        Err(AcmeError::Refused(problem))
            if wanted.replaces.is_some()
                && problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":alreadyReplaced")) =>
        {
            let wanted = Wanted { replaces: None, ..wanted.clone() };
            order::issue(account, &wanted, &prover, &app.shutdown).await
        }
        result => result,
    }
}

async fn refused(
    app: &App,
    choice: &Choice,
    record: &AppRecord,
    error: AcmeError,
) -> Result<Failure, CommandError> {
    let until = error.retry_after();
    let failed = error.failed_names();
    budget::note_failed(&app.store, &choice.directory, failed).await?;
    let advice = error.advice();
    let shown = CommandError::internal(format!("No certificate for {}", record.name), error).hint(advice);
    Ok(Failure { error: shown, until })
}

/// What the authority is told to be replaced; only one that it was asked about, since others do not know of it.
async fn predecessor(
    app: &App,
    held: Option<&CertificateRecord>,
    asked: bool,
) -> Result<Option<Predecessor>, CommandError> {
    let Some(held) = held.filter(|_| asked) else { return Ok(None) };
    let pair = app.store.certificate_pair(held.id).await?;
    Ok(pair.and_then(|pair| Predecessor::of(&pair.chain)))
}

/// Puts a certificate in force, and says until when it is valid.
async fn keep(
    app: &App,
    record: &AppRecord,
    name: &CertificateName,
    issued: Issued,
) -> Result<String, CommandError> {
    use secrecy::ExposeSecret as _;
    let read = Certificate::from_pem(issued.chain.as_bytes(), issued.key.expose_secret().as_bytes());
    let read = read.map_err(|error| {
        CommandError::internal("The authority's certificate cannot be served", error)
            .hint("Tell the authority; what was in force still is")
    })?;
    let not_after = read.not_after().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let not_after = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
    let new = NewCertificate {
        app: record.id,
        kind: CertificateKind::Automatic,
        name: name.clone(),
        hosts: read.names().map(str::to_owned).collect(),
        not_after,
        pair: CertificatePair { chain: issued.chain, key: issued.key },
    };
    let hosts = new.hosts.clone();
    app.store.set_certificate(new).await?;
    app.reconciler.publish_routes().await;
    let event = || Event::PostCertsUpdate { app: Some(record.name.clone()), action: "add".to_owned(), hosts };
    app.hooks.tell(Hook::PostCertsUpdate, Scene::default(), event).await;
    Ok(clock::format_seconds(not_after))
}

/// Removes certificates whose names are all in others now: the last of several after names were removed.
async fn forget_rest(app: &App, record: &AppRecord, need: &Need) -> Result<(), CommandError> {
    let kept: BTreeSet<&CertificateName> = need.all_names.iter().collect();
    for certificate in app.store.certificates(Some(record.id)).await? {
        if certificate.kind == CertificateKind::Automatic && !kept.contains(&certificate.name) {
            app.store.remove_certificate(certificate.id).await?;
        }
    }
    Ok(())
}

/// What the group of that number is kept as.
pub fn group_name(index: usize) -> CertificateName {
    match index {
        0 => CertificateName::default(),
        _ => format!("default-{}", index + 1).parse().unwrap_or_default(),
    }
}
