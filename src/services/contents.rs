//! What is in a service: its tables, key spaces or buckets, and how much is in each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::App;
use crate::backups::sidecar::{Contents, Count};
use crate::command_error::CommandError;
use crate::services::{Service, exec};

/// How long the counting of all rows may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// How many names a message lists.
const NAMED: usize = 10;

/// How much is in each table.
pub type Counts = BTreeMap<String, u64>;

/// Counts; nothing where the engine cannot tell.
pub async fn count(app: &App, service: &Service) -> Result<Counts, CommandError> {
    let Some(command) = &service.engine.contents else { return Ok(Counts::new()) };
    let container = exec::container(service)?;
    let ran = exec::run_within(app, container, command, &service.values(), LIMIT).await?;
    let text = ran.checked(&format!("What is in {service} cannot be told"))?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// Lines `NAME COUNT`; names may have spaces in them.
fn parse(text: &str) -> Counts {
    let pair = |line: &str| {
        let (name, count) = line.trim().rsplit_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// What a dump may have that was taken between two counts.
pub fn between(before: &Counts, after: &Counts) -> Contents {
    let names = before.keys().chain(after.keys());
    let count = |name: &String| {
        let of = |counts: &Counts| counts.get(name).copied().unwrap_or_default();
        (name.clone(), Count::between(of(before), of(after)))
    };
    names.map(count).collect()
}

/// What is in `live` and not in `new`, with its tables' names.
pub fn missing(live: &Counts, new: &Counts) -> Vec<String> {
    live.keys().filter(|name| !new.contains_key(*name)).cloned().collect()
}

/// What differs from what was recorded, in words.
pub fn differences(recorded: &Contents, found: &Counts) -> Vec<String> {
    let mut words = Vec::new();
    for (name, count) in recorded {
        match found.get(name) {
            // A table that was made or dropped meanwhile is in the dump or not.
            None if count.least == 0 => {}
            None => words.push(format!("{name} is missing")),
            Some(found) if !count.admits(*found) => {
                let Count { least, most } = count;
                let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
                words.push(format!("{name} has {found} instead of {range}"));
            }
            Some(_) => {}
        }
    }
    words.extend(
        found.keys().filter(|name| !recorded.contains_key(*name)).map(|name| format!("{name} is new")),
    );
    words
}

/// Names or differences in one line, the first few of many.
pub fn listed(words: &[String]) -> String {
    let shown: Vec<&str> = words.iter().take(NAMED).map(String::as_str).collect();
    match words.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn names_may_have_spaces() {
        let found = parse("public.posts 3\npublic.my table 12\n\n");
        assert_eq!(found, counts(&[("public.my table", 12), ("public.posts", 3)]));
    }

    #[test]
    fn a_restored_dump_may_have_what_was_there_before_and_after() {
        let recorded = between(
            &counts(&[("posts", 3), ("users", 5), ("gone", 0)]),
            &counts(&[("posts", 7), ("users", 5), ("made", 2)]),
        );
        for posts in [3, 5, 7] {
            assert_eq!(differences(&recorded, &counts(&[("posts", posts), ("users", 5)])), [""; 0]);
        }
        assert_eq!(
            differences(&recorded, &counts(&[("posts", 8), ("other", 0)])),
            ["posts has 8 instead of 3 to 7", "users is missing", "other is new"]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let live = counts(&[("posts", 3), ("users", 0)]);
        assert_eq!(missing(&live, &counts(&[("posts", 1), ("more", 1)])), ["users"]);
        let many: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(listed(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
