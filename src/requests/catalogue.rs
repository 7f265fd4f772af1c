//! All that `router:set` can set, one entry each, in the order of the report.
//!
//! *Architecture invariant:* a setting is here and nowhere else: its check, its place in the policy, its default and its
//! row in `docs/router.md` are made from its entry.

mod balancing;
mod bodies;
mod headers;
mod people;
mod timeouts;

use crate::requests::draft::Draft;
use crate::requests::values::ValueError;

/// Something that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// As it is typed.
    pub key: &'static str,
    /// What it does, in a line without a full stop.
    pub about: &'static str,
    /// A value that somebody may want.
    pub example: &'static str,
    /// Reads a value into the draft.
    pub apply: fn(&mut Draft, &str) -> Result<(), ValueError>,
    /// What holds in a draft, as it is read.
    pub show: fn(&Draft) -> String,
}

/// Settings of headers are called after the header, with this before it: `header:X-Frame-Options`.
pub const HEADER_PREFIX: &str = "header:";

/// The name under which a value is stored, unique over all namespaces.
pub fn stored_name(key: &str) -> String {
    format!("router-{key}")
}

/// Everything that can be set.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    let all =
        [timeouts::SETTINGS, bodies::SETTINGS, people::SETTINGS, balancing::SETTINGS, headers::SETTINGS];
    all.into_iter().flatten()
}

/// The setting of that name.
pub fn setting(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

/// What holds where nothing is set.
pub fn default(setting: &Setting) -> String {
    (setting.show)(&Draft::default())
}

/// Replaces a value by one that can be read.
fn put<T>(place: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *place = value?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_setting_takes_its_example_and_its_default_and_shows_what_it_took() {
        let mut keys = HashSet::new();
        for setting in settings() {
            assert!(keys.insert(setting.key), "{} is there twice", setting.key);
            for value in [setting.example.to_owned(), default(setting)] {
                let mut draft = Draft::default();
                if value.is_empty() {
                    continue;
                }
                (setting.apply)(&mut draft, &value)
                    .unwrap_or_else(|error| panic!("{}: {error}", setting.key));
                assert_eq!((setting.show)(&draft), value, "{}", setting.key);
            }
            assert_ne!(setting.example, default(setting), "{} has its default as an example", setting.key);
        }
    }

    #[test]
    fn no_setting_takes_nonsense() {
        for setting in settings() {
            for wrong in ["", "-1", "nonsense/*", "\n", "99999999999999999999999"] {
                assert!(
                    (setting.apply)(&mut Draft::default(), wrong).is_err(),
                    "{} took {wrong:?}",
                    setting.key
                );
            }
        }
    }
}
