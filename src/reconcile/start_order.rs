//! In which order apps are set right, where there are many: after a reboot.

use crate::app::App;
use crate::store::StoreError;
use crate::store::apps::AppRecord;
use crate::store::links::Link;

/// The apps in waves: those of a wave are set right side by side, before those of the next. An app comes after those
/// that it links to.
pub async fn waves(app: &App, records: Vec<AppRecord>) -> Result<Vec<Vec<AppRecord>>, StoreError> {
    Ok(ordered(records, &app.store.links().await?))
}

fn ordered(mut left: Vec<AppRecord>, links: &[Link]) -> Vec<Vec<AppRecord>> {
    let mut waves = Vec::new();
    while !left.is_empty() {
        let is_left = |app| left.iter().any(|other| other.id == app);
        let waits =
            |record: &AppRecord| links.iter().any(|link| link.app == record.id && is_left(link.target));
        let (later, now): (Vec<_>, Vec<_>) = left.iter().cloned().partition(waits);
        if now.is_empty() {
            // A circle, which nobody can make; it must not keep anybody from starting.
            waves.push(later);
            break;
        }
        waves.push(now);
        left = later;
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apps::AppId;

    fn record(id: i64) -> AppRecord {
        AppRecord {
            id: AppId(id),
            name: format!("app-{id}").parse().unwrap(),
            created_at: 0,
            locked: false,
            stopped: false,
            vhosts_enabled: true,
            default_domain: true,
            current_release: Some(1),
        }
    }

    fn link(app: i64, target: i64) -> Link {
        let (app, target) = (record(app), record(target));
        let key = "X".parse().unwrap();
        Link { app: app.id, app_name: app.name, target: target.id, target_name: target.name, key }
    }

    #[test]
    fn an_app_comes_after_those_that_it_links_to() {
        let order = |links: &[Link]| -> Vec<Vec<i64>> {
            let waves = ordered((1..=4).map(record).collect(), links);
            waves.iter().map(|wave| wave.iter().map(|record| record.id.0).collect()).collect()
        };
        assert_eq!(order(&[]), [[1, 2, 3, 4]]);
        // One that is not set right now, as the ninth, holds up nobody.
        assert_eq!(order(&[link(1, 2), link(2, 4), link(3, 9)]), [vec![3, 4], vec![2], vec![1]]);
        assert_eq!(order(&[link(1, 2), link(2, 1)]), [vec![3, 4], vec![1, 2]]);
    }
}
