//! `releases` and `releases:*`.

pub mod diff;
pub mod list;
pub mod properties;
pub mod rollback;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::release::{Release, ReleaseVersion};
use crate::store::apps::AppRecord;

/// The release that runs.
async fn current(context: &Context, record: &AppRecord) -> Result<Release, CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    release.ok_or_else(|| CommandError::not_deployed(&record.name))
}

/// The release of that number, or an error that says which there are.
async fn find(context: &Context, record: &AppRecord, text: &str) -> Result<Release, CommandError> {
    let version: ReleaseVersion = text.parse().map_err(CommandError::user)?;
    if let Some(release) = context.app.store.release_by_version(record.id, version).await? {
        return Ok(release);
    }
    let known = context.app.store.release_versions(record.id).await?;
    let Some(newest) = known.last() else { return Err(CommandError::not_deployed(&record.name)) };
    let forgotten = if version < *newest { " any more" } else { "" };
    Err(CommandError::user(format!("{} has no release {version}{forgotten}", record.name)).hint(format!(
        "It has {}; see them: releases {}",
        ranges(&known),
        record.name
    )))
}

/// Numbers in ascending order as a person writes them: `v1, v5 to v9`.
fn ranges(versions: &[ReleaseVersion]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for ReleaseVersion(number) in versions.iter().copied() {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let text = |(first, last): &(u32, u32)| match last - first {
        0 => format!("v{first}"),
        1 => format!("v{first}, v{last}"),
        _ => format!("v{first} to v{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_one_range() {
        let ranges =
            |numbers: &[u32]| ranges(&numbers.iter().copied().map(ReleaseVersion).collect::<Vec<_>>());
        assert_eq!(ranges(&[1]), "v1");
        assert_eq!(ranges(&[1, 2]), "v1, v2");
        assert_eq!(ranges(&[1, 5, 6, 7, 9]), "v1, v5 to v7, v9");
    }
}
