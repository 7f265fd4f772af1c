//! Asks authorities, a few times a day, when they would have certificates replaced (ARI, RFC 9773).

use crate::acme::renewal_info::{self, Predecessor};
use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::issuance::account;
use crate::issuance::choice::Choice;
use crate::model::acme::DirectoryUrl;
use crate::store::acme::AcmeState;
use crate::store::apps::AppRecord;
use crate::store::certificates::CertificateRecord;

/// How often an authority is asked.
const EVERY: i64 = 6 * 3600;

/// Asks if it is time to, and notes the answer: a time within the authority's window, which stays the same.
pub async fn ask(
    app: &App,
    record: &AppRecord,
    choice: &Choice,
    held: &[CertificateRecord],
) -> Result<(), CommandError> {
    let state = app.store.acme_state(record.id).await?;
    let now = clock::unix_seconds();
    let is_known = state.directory.as_deref() == Some(choice.directory.as_str());
    let Some(first) = held.iter().min_by_key(|held| held.not_after).filter(|_| is_known) else {
        return Ok(());
    };
    if state.asked_at.is_some_and(|asked| asked <= now && now < asked + EVERY) {
        return Ok(());
    }
    let mut window = None;
    if let Some(pair) = app.store.certificate_pair(first.id).await?
        && let Some(predecessor) = Predecessor::of(&pair.chain)
    {
        let account = account::of(app, record, choice).await?;
        window = renewal_info::window(&account, &predecessor).await;
    }
    // An order may have come to its end meanwhile, and its state is the one that counts.
    let _lease = app.issuing.acquire(record.id).await;
    let mut state = app.store.acme_state(record.id).await?;
    state.asked_at = Some(now);
    note(&mut state, window, &choice.directory);
    Ok(app.store.set_acme_state(record.id, &state).await?)
}

fn note(state: &mut AcmeState, window: Option<renewal_info::Window>, directory: &DirectoryUrl) {
    let Some(window) = window else {
        state.suggested = None;
        return;
    };
    let within = state.suggested.is_some_and(|known| (window.start..=window.end).contains(&known));
    if !within {
        let width = u64::try_from(window.end - window.start).unwrap_or(0);
        let offset = i64::try_from(rand::random::<u64>() % width.max(1)).unwrap_or(0);
        state.suggested = Some(window.start + offset);
        tracing::debug!(%directory, at = window.start + offset, "the authority suggests a renewal");
    }
}
