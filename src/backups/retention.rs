//! Which backups are old enough to go.

use jiff::Timestamp;

use crate::backups::shelf::{Listed, State};

/// How many backups are kept, and for how long. Both are limits; the newest whole one stays whatever they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// At most so many.
    pub count: Option<usize>,
    /// None older than so many days.
    pub days: Option<u32>,
}

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

impl Retention {
    /// Those of `backups`, newest first, that are to be removed. What is damaged counts for nothing: it takes no whole
    /// one's place.
    pub fn expired<'a>(&self, backups: &'a [Listed], now: Timestamp) -> Vec<&'a Listed> {
        let oldest = self.days.map(|days| now.as_second() - i64::from(days) * DAY);
        let (mut whole, mut expired) = (0, Vec::new());
        for backup in backups {
            let is_whole = backup.state == State::Whole;
            let is_newest = is_whole && whole == 0;
            let is_surplus = self.count.is_some_and(|count| whole >= count);
            let is_old = oldest.is_some_and(|oldest| backup.sidecar.taken_at < oldest);
            if !is_newest && (is_surplus || is_old) {
                expired.push(backup);
            }
            whole += usize::from(is_whole);
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::encryption::EncryptionKind;
    use crate::backups::pack::Packed;
    use crate::backups::sidecar::{Contents, Naming, Sidecar, Subject};

    const NOW: i64 = 1_800_000_000;

    /// A backup of so many days ago.
    fn backup(days: i64, state: State) -> Listed {
        let subject = Subject {
            engine: "postgres".to_owned(),
            service: "blogdb".to_owned(),
            image: "postgres:17".to_owned(),
            version: "17".to_owned(),
            extension: "sql".to_owned(),
        };
        let taken_at = Timestamp::from_second(NOW - days * DAY).unwrap();
        let packed = Packed { dump_bytes: 1, stored_bytes: 1, sha256: String::new() };
        let naming = Naming::new(taken_at, EncryptionKind::None);
        Listed { sidecar: Sidecar::new(&naming, subject, packed, Contents::new()), state }
    }

    fn expired(retention: Retention, backups: &[Listed]) -> Vec<i64> {
        let now = Timestamp::from_second(NOW).unwrap();
        let expired = retention.expired(backups, now);
        expired.iter().map(|backup| (NOW - backup.sidecar.taken_at) / DAY).collect()
    }

    #[test]
    fn what_is_too_many_or_too_old_goes() {
        let backups: Vec<Listed> = (0..5).map(|days| backup(days, State::Whole)).collect();
        let limits = |count, days| Retention { count, days };
        assert_eq!(expired(limits(None, None), &backups), [0_i64; 0]);
        assert_eq!(expired(limits(Some(2), None), &backups), [2, 3, 4]);
        assert_eq!(expired(limits(None, Some(3)), &backups), [4]);
        assert_eq!(expired(limits(Some(4), Some(1)), &backups), [2, 3, 4]);
    }

    #[test]
    fn the_newest_whole_one_stays_whatever_the_limits() {
        let backups = [
            backup(40, State::Missing),
            backup(50, State::Length(7)),
            backup(60, State::Whole),
            backup(70, State::Whole),
        ];
        assert_eq!(expired(Retention { count: Some(1), days: Some(30) }, &backups), [40, 50, 70]);
        assert_eq!(expired(Retention { count: Some(0), days: None }, &backups), [40, 50, 70]);
    }
}
