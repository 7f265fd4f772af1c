//! Certificates of apps: those that clients refuse, and those that they will refuse soon.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::App;
use crate::clock;
use crate::model::certificate::CertificateKind;
use crate::store::StoreError;
use crate::store::certificates::CertificateRecord;
use crate::upkeep::doctor::Finding;

const CHECK: &str = "certificate";
const DAY: i64 = 86_400;
/// Days before the end at which somebody should know. An automatic one was to be renewed by then.
const BEFORE_EXPIRY: i64 = 21;

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    match judge_all(app).await {
        Ok(findings) => findings,
        Err(error) => vec![super::unknown(CHECK, "apps", &error)],
    }
}

async fn judge_all(app: &App) -> Result<Vec<Finding>, StoreError> {
    let names = app.store.apps().await?.into_iter().map(|app| (app.id, app.name));
    let names: HashMap<_, _> = names.collect();
    let certificates = app.store.certificates(None).await?;
    let now = clock::unix_seconds();
    let judged =
        certificates.iter().filter_map(|record| Some(judge(names.get(&record.app)?.as_str(), record, now)));
    Ok(judged.collect())
}

fn judge(app: &str, record: &CertificateRecord, now: i64) -> Finding {
    let place = format!("{app}: {}", record.hosts.join(" "));
    let days = (record.not_after - now).div_euclid(DAY);
    let fix = || match record.kind {
        CertificateKind::Own => {
            format!(
                "Replace it: cat server.crt server.key | ssh HOST certs:update --name {} {app}",
                record.name
            )
        }
        CertificateKind::Automatic => format!("See why it was not renewed: certs:report {app}"),
    };
    if record.not_after <= now {
        Finding::problem(CHECK, place, ("it has expired".to_owned(), fix()))
    } else if days < BEFORE_EXPIRY {
        Finding::warning(CHECK, place, (format!("it expires in {days} days"), fix()))
    } else {
        Finding::good(CHECK, place, format!("valid for {days} days"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apps::AppId;
    use crate::store::certificates::CertificateId;
    use crate::upkeep::doctor::State;

    #[test]
    fn what_ends_is_told_in_time() {
        let found = |days: i64, kind| {
            let record = CertificateRecord {
                id: CertificateId(1),
                app: AppId(1),
                kind,
                name: "www".parse().unwrap(),
                hosts: vec!["a.example".to_owned()],
                not_after: 1_000_000_000 + days * DAY,
                added_at: 0,
            };
            judge("blog", &record, 1_000_000_000)
        };
        for (days, state) in
            [(0, State::Problem), (-3, State::Problem), (20, State::Warning), (21, State::Good)]
        {
            assert_eq!(found(days, CertificateKind::Own).state, state, "{days}");
        }
        assert!(found(0, CertificateKind::Own).fix.unwrap().contains("certs:update --name www blog"));
        assert!(found(0, CertificateKind::Automatic).fix.unwrap().contains("not renewed"));
    }
}
