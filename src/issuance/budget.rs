//! Staying below what an authority allows: whoever runs into a limit is locked out for hours or days.

use crate::issuance::names::registered_domain;
use crate::model::acme::DirectoryUrl;
use crate::store::acme::{LEDGER_SECONDS, LedgerKind};
use crate::store::{Store, StoreError};

/// A limit: so many in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    kind: LedgerKind,
    most: usize,
    seconds: i64,
    what: &'static str,
}

/// Let's Encrypt's limits, each a little below what it says. That of domains is for new sets of names only.
const LETS_ENCRYPT: &[Limit] = &[
    Limit { kind: LedgerKind::Failure, most: 4, seconds: 3600, what: "failures an hour" },
    Limit {
        kind: LedgerKind::Set,
        most: 4,
        seconds: LEDGER_SECONDS,
        what: "certificates for the same names a week",
    },
    Limit { kind: LedgerKind::Domain, most: 45, seconds: LEDGER_SECONDS, what: "certificates a week" },
];

/// Until when an authority is left alone, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// In seconds since the Unix epoch.
    pub until: i64,
    /// What is used up.
    pub why: String,
}

/// Whether one more certificate for these names is within the authority's limits.
pub async fn check(
    store: &Store,
    directory: &DirectoryUrl,
    names: &[String],
    now: i64,
) -> Result<Option<Exhausted>, StoreError> {
    let limits = if directory.as_str() == DirectoryUrl::LETS_ENCRYPT { LETS_ENCRYPT } else { &[] };
    let is_new = store.acme_ledger(directory, (LedgerKind::Set, set(names)), 0).await?.is_empty();
    let mut worst: Option<Exhausted> = None;
    for limit in limits.iter().filter(|limit| limit.kind != LedgerKind::Domain || is_new) {
        for subject in subjects(limit.kind, names) {
            let times =
                store.acme_ledger(directory, (limit.kind, subject.clone()), now - limit.seconds).await?;
            let Some(until) = free_at(&times, limit) else { continue };
            if worst.as_ref().is_none_or(|worst| worst.until < until) {
                worst = Some(Exhausted {
                    until,
                    why: format!("{subject} has had {} {}", times.len(), limit.what),
                });
            }
        }
    }
    Ok(worst)
}

/// When there is room again, if there is none now.
fn free_at(times: &[i64], limit: &Limit) -> Option<i64> {
    let over = times.len().checked_sub(limit.most)?;
    times.get(over).map(|oldest| oldest + limit.seconds + 1)
}

/// Notes that a certificate was issued.
pub async fn note_issued(
    store: &Store,
    directory: &DirectoryUrl,
    names: &[String],
) -> Result<(), StoreError> {
    let is_new = store.acme_ledger(directory, (LedgerKind::Set, set(names)), 0).await?.is_empty();
    let mut entries = vec![(LedgerKind::Set, set(names))];
    if is_new {
        entries
            .extend(subjects(LedgerKind::Domain, names).into_iter().map(|name| (LedgerKind::Domain, name)));
    }
    store.add_to_acme_ledger(directory, entries).await
}

/// Notes that names could not be verified.
pub async fn note_failed(
    store: &Store,
    directory: &DirectoryUrl,
    names: Vec<String>,
) -> Result<(), StoreError> {
    let entries = names.into_iter().map(|name| (LedgerKind::Failure, name)).collect();
    store.add_to_acme_ledger(directory, entries).await
}

fn subjects(kind: LedgerKind, names: &[String]) -> Vec<String> {
    let mut subjects: Vec<String> = match kind {
        LedgerKind::Domain => names.iter().map(|name| registered_domain(name)).collect(),
        LedgerKind::Set => vec![set(names)],
        LedgerKind::Failure => names.to_vec(),
    };
    subjects.sort();
    subjects.dedup();
    subjects
}

fn set(names: &[String]) -> String {
    let mut names = names.to_vec();
    names.sort();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    async fn with_store<T>(test: impl AsyncFnOnce(&Store) -> T) -> T {
        let root = tempfile::tempdir().unwrap();
        let (store, _thread) = Store::open(root.path()).unwrap();
        test(&store).await
    }

    #[tokio::test]
    async fn failures_of_a_name_are_counted_over_an_hour() {
        with_store(async |store| {
            let (directory, now) = (DirectoryUrl::default(), crate::clock::unix_seconds());
            for _ in 0..4 {
                let both = names(&["a.example.com", "b.example.com"]);
                assert_eq!(check(store, &directory, &both, now).await.unwrap(), None);
                note_failed(store, &directory, names(&["a.example.com"])).await.unwrap();
            }
            let a = names(&["a.example.com"]);
            let exhausted = check(store, &directory, &a, now).await.unwrap().unwrap();
            assert!((now + 3600..now + 3700).contains(&exhausted.until), "{exhausted:?}");
            assert_eq!(exhausted.why, "a.example.com has had 4 failures an hour");
            assert_eq!(check(store, &directory, &names(&["b.example.com"]), now).await.unwrap(), None);
            assert_eq!(check(store, &directory, &a, now + 3700).await.unwrap(), None);
            // Its staging is there for failures.
            assert_eq!(check(store, &DirectoryUrl::staging(), &a, now).await.unwrap(), None);
        })
        .await;
    }

    #[tokio::test]
    async fn certificates_are_counted_by_their_names_and_by_registered_domain() {
        with_store(async |store| {
            let (directory, now) = (DirectoryUrl::default(), crate::clock::unix_seconds());
            for _ in 0..4 {
                note_issued(store, &directory, &names(&["b.example.com", "a.example.com"])).await.unwrap();
            }
            let same = names(&["a.example.com", "b.example.com"]);
            let why = check(store, &directory, &same, now).await.unwrap().unwrap().why;
            assert!(why.ends_with("4 certificates for the same names a week"), "{why}");
            for index in 1..45 {
                let new = names(&[&format!("n{index}.example.com")]);
                assert_eq!(check(store, &directory, &new, now).await.unwrap(), None, "{index}");
                note_issued(store, &directory, &new).await.unwrap();
            }
            let why = check(store, &directory, &names(&["new.example.com"]), now).await.unwrap().unwrap().why;
            assert_eq!(why, "example.com has had 45 certificates a week");
            // A renewal is none of them, and another domain has limits of its own.
            for free in ["n1.example.com", "new.example.co.uk"] {
                assert_eq!(check(store, &directory, &names(&[free]), now).await.unwrap(), None, "{free}");
            }
        })
        .await;
    }
}
