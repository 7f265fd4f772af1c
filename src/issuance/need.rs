//! What an app lacks at this moment.

use std::sync::Arc;

use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::issuance::choice::Choice;
use crate::issuance::names;
use crate::issuance::obtain::{Request, group_name};
use crate::issuance::plan::{self, Held, Wishes};
use crate::issuance::proofs;
use crate::issuance::self_check;
use crate::model::acme::{ChallengeChoice, ChallengeKind};
use crate::model::certificate::{CertificateKind, CertificateName};
use crate::model::hostname::Hostname;
use crate::store::acme::AcmeState;
use crate::store::apps::AppRecord;
use crate::store::certificates::{CertificateRecord, covers};
use crate::urls;

/// How long names that did not lead here are not looked for again.
const LOOK_AGAIN: i64 = 3600;

/// What is to be ordered.
#[derive(Debug, Default)]
pub(super) struct Need {
    /// One certificate each.
    pub(super) groups: Vec<Group>,
    /// What the app's certificates are called, those that are not due included.
    pub(super) all_names: Vec<CertificateName>,
    /// Names for which none can be had, with the reason.
    pub(super) left_out: Vec<String>,
    /// All names that want a certificate.
    pub(super) wanted: Vec<String>,
    /// Whether nothing can be ordered, and nothing is there.
    pub(super) is_hopeless: bool,
    /// When the first of the app's certificates ends.
    pub(super) earliest_end: Option<i64>,
    /// Whether the authority knows of replacements.
    pub(super) asked: bool,
}

impl Need {
    /// Whether there is nothing to do and nothing to say.
    pub(super) fn is_nothing(&self) -> bool {
        self.groups.is_empty() && self.left_out.is_empty() && !self.is_hopeless
    }
}

/// One certificate that is to be ordered.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: CertificateName,
    pub(super) names: Vec<Hostname>,
    pub(super) held: Option<CertificateRecord>,
}

/// What an app has and would have, from the database alone.
#[derive(Debug, Default)]
pub struct Standing {
    /// The names that want a certificate.
    pub wanted: Vec<Hostname>,
    /// Names for which no authority gives one, with the reason.
    pub impossible: Vec<String>,
    /// The automatic certificates that there are.
    pub held: Vec<CertificateRecord>,
    /// When something is to be done next, in seconds since the Unix epoch; never, if nothing is wanted.
    pub next: Option<i64>,
}

impl Standing {
    /// The names that no automatic certificate is for.
    pub fn missing(&self) -> Vec<&Hostname> {
        let covered = |name: &Hostname| {
            self.held.iter().any(|held| held.hosts.iter().any(|host| host == name.as_str()))
        };
        self.wanted.iter().filter(|name| !covered(name)).collect()
    }
}

/// How it stands with an app.
pub async fn standing(
    app: &Arc<App>,
    record: &AppRecord,
    choice: &Choice,
    state: &AcmeState,
) -> Result<Standing, CommandError> {
    let certificates = app.store.certificates(Some(record.id)).await?;
    let now = clock::unix_seconds();
    let (own, held): (Vec<_>, Vec<_>) =
        certificates.into_iter().partition(|certificate| certificate.kind == CertificateKind::Own);
    let covered =
        |name: &Hostname| own.iter().any(|own| own.not_after > now && covers(&own.hosts, name.as_str()));
    let provable = match choice.challenge {
        ChallengeChoice::Automatic | ChallengeChoice::Always(ChallengeKind::Dns01) => {
            proofs::hook(app).is_some()
        }
        ChallengeChoice::Always(_) => false,
    };
    let selection = names::select(&urls::hostnames(app, record).await?, provable, covered);
    let mut impossible = Vec::new();
    for name in &selection.private {
        impossible.push(format!("{name} is no name of the public DNS: use an own certificate (certs:add)"));
    }
    for name in &selection.unprovable {
        impossible.push(format!(
            "{name} is a wildcard, which needs DNS-01: set [acme] dns-hook in slipway.toml, and letsencrypt:set {} challenge dns",
            record.name
        ));
    }
    let mut standing = Standing { wanted: selection.wanted, impossible, held, next: None };
    standing.next = next(&standing, choice, state);
    Ok(standing)
}

/// When something is to be done. After a failure there is a pause, except for names that were not there before.
fn next(standing: &Standing, choice: &Choice, state: &AcmeState) -> Option<i64> {
    if standing.wanted.is_empty() {
        return None;
    }
    let missing = standing.missing();
    if missing.iter().any(|name| !state.tried.iter().any(|tried| tried == name.as_str())) {
        return Some(0);
    }
    let mut next = standing.held.iter().map(|held| due_at(held, choice, state)).min();
    if !missing.is_empty() {
        let again = state.last_attempt.map_or(0, |last| last + LOOK_AGAIN);
        next = Some(next.map_or(again, |next| next.min(again)));
    }
    if is_of_another(standing, choice, state) {
        next = Some(0);
    }
    match state.next_attempt {
        // A failure was the last: its pause counts, be it shorter or longer than the time to look again.
        Some(attempt) if !missing.is_empty() => Some(attempt),
        Some(attempt) => next.map(|next| next.max(attempt)),
        None => next,
    }
}

/// Whether what there is comes from another authority than the one that is chosen now.
fn is_of_another(standing: &Standing, choice: &Choice, state: &AcmeState) -> bool {
    !standing.held.is_empty()
        && state.directory.as_deref().is_some_and(|directory| directory != choice.directory.as_str())
}

fn due_at(held: &CertificateRecord, choice: &Choice, state: &AcmeState) -> i64 {
    let certificate =
        Held { id: held.id.0, hosts: held.hosts.clone(), since: held.added_at, not_after: held.not_after };
    plan::due_at(&certificate, Wishes { grace_seconds: choice.grace_seconds, suggested: state.suggested })
}

/// What is to be ordered now.
pub(super) async fn of(
    app: &Arc<App>,
    record: &AppRecord,
    choice: &Choice,
    request: Request,
    state: &AcmeState,
) -> Result<Need, CommandError> {
    let standing = standing(app, record, choice, state).await?;
    let now = clock::unix_seconds();
    let mut need = Need {
        left_out: standing.impossible.clone(),
        earliest_end: standing.held.iter().map(|held| held.not_after).min(),
        wanted: standing.wanted.iter().map(Hostname::to_string).collect(),
        asked: state.suggested.is_some(),
        ..Need::default()
    };
    let is_due = request.force || request.at_once || standing.next.is_some_and(|next| next <= now);
    if !is_due {
        return Ok(Need::default());
    }
    let wanted = leading_here(app, &standing, choice, request, &mut need).await;
    let another = is_of_another(&standing, choice, state);
    for (index, names) in names::groups(&wanted).into_iter().enumerate() {
        let name = group_name(index);
        let held = standing.held.iter().find(|held| held.name == name).cloned();
        let lacks = held.as_ref().is_none_or(|held| {
            let has = |name: &Hostname| held.hosts.iter().any(|host| host == name.as_str());
            !names.iter().all(has) || due_at(held, choice, state) <= now
        });
        need.all_names.push(name.clone());
        if request.force || another || lacks {
            need.groups.push(Group { name, names, held });
        }
    }
    need.is_hopeless = wanted.is_empty() && need.earliest_end.is_none();
    Ok(need)
}

/// The wanted names without those that lead elsewhere. One that has a certificate is given up late: a look that
/// failed once must not cost it.
async fn leading_here(
    app: &Arc<App>,
    standing: &Standing,
    choice: &Choice,
    request: Request,
    need: &mut Need,
) -> Vec<Hostname> {
    if request.unchecked || !choice.check {
        return standing.wanted.clone();
    }
    let now = clock::unix_seconds();
    let mut wanted = Vec::new();
    for name in &standing.wanted {
        let kind = proofs::kind(app, choice.challenge, name.as_str());
        let held = standing.held.iter().find(|held| held.hosts.iter().any(|host| host == name.as_str()));
        let has_time = held.is_some_and(|held| (held.not_after - now) * 6 > held.not_after - held.added_at);
        match self_check::check(&app.proofs, name.as_str(), kind).await {
            Ok(()) => wanted.push(name.clone()),
            Err(astray) => {
                need.left_out.push(astray.to_string());
                if has_time {
                    wanted.push(name.clone());
                }
            }
        }
    }
    wanted
}

/// Why there is nothing to order.
pub(super) fn nothing_possible(record: &AppRecord, left_out: &[String]) -> CommandError {
    let mut error = CommandError::user(format!("No certificate can be had for {}", record.name));
    if left_out.is_empty() {
        return error.hint(format!("Give it a name first: domains:add {} DOMAIN", record.name));
    }
    for reason in left_out {
        error = error.hint(reason);
    }
    error.hint(
        "Let the name's A or AAAA record point to this host; --no-check asks the authority all the same",
    )
}
