//! Whose a directory is: the users of the usual images, by Dokku's names for them.

use nix::unistd::{Gid, Uid};

use crate::command_error::CommandError;

/// Reads `--chown`: a preset, `UID`, `UID:GID`, or `false` for nobody in particular.
pub fn parse(text: &str) -> Result<Option<(Uid, Gid)>, CommandError> {
    let both = |id: u32| Some((Uid::from_raw(id), Gid::from_raw(id)));
    match text {
        "herokuish" => Ok(both(32767)),
        "heroku" => Ok(both(1000)),
        "paketo" | "packeto" => Ok(both(2000)),
        "root" => Ok(both(0)),
        "false" => Ok(None),
        ids => {
            let (user, group) = ids.split_once(':').unwrap_or((ids, ids));
            // All bits set stand for "as it is" in `chown(2)`.
            let id = |text: &str| text.parse().ok().filter(|id: &u32| *id != u32::MAX);
            match (id(user), id(group)) {
                (Some(user), Some(group)) => Ok(Some((Uid::from_raw(user), Gid::from_raw(group)))),
                _ => Err(CommandError::user(format!("{ids} is not an owner"))
                    .hint("Use herokuish, heroku, paketo, root, false, or numbers: 1000 or 1000:1000")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Option<(u32, u32)> {
        parse(text).unwrap().map(|(user, group)| (user.as_raw(), group.as_raw()))
    }

    #[test]
    fn owners_are_presets_or_numbers() {
        assert_eq!(ids("herokuish"), Some((32767, 32767)));
        assert_eq!(ids("heroku"), Some((1000, 1000)));
        assert_eq!(ids("paketo"), Some((2000, 2000)));
        assert_eq!(ids("root"), Some((0, 0)));
        assert_eq!(ids("false"), None);
        assert_eq!(ids("33"), Some((33, 33)));
        assert_eq!(ids("33:34"), Some((33, 34)));
        for text in ["", "me", "-1", "4294967295", "1:", ":1", "1:2:3"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
