//! Which of the client's variables go to the server.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Where a plugin's executable finds the server.
pub const SOCKET: &str = "SLIPWAY_SOCKET";
/// What a plugin's executable proves its permissions with.
pub const TOKEN: &str = "SLIPWAY_TOKEN";

/// What a person's own commands pass on, and a plugin's.
pub fn client_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    filter(variables, |name| name == "LANG" || name == TOKEN || name.starts_with("LC_"))
}

/// What git's hook passes on: the push it belongs to, where the new objects are, and the push options.
pub fn hook_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    filter(variables, |name| {
        matches!(
            name,
            "SLIPWAY_PUSH_TOKEN"
                | "GIT_QUARANTINE_PATH"
                | "GIT_OBJECT_DIRECTORY"
                | "GIT_ALTERNATE_OBJECT_DIRECTORIES"
        ) || name.starts_with("GIT_PUSH_OPTION_")
    })
}

fn filter(
    variables: impl Iterator<Item = (OsString, OsString)>,
    passes: impl Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| passes(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(names: &[&str]) -> impl Iterator<Item = (OsString, OsString)> {
        let pairs: Vec<_> = names.iter().map(|name| (OsString::from(name), OsString::from("v"))).collect();
        pairs.into_iter()
    }

    #[test]
    fn a_hook_passes_on_its_push_and_nothing_else() {
        let passed = hook_environment(variables(&[
            "SLIPWAY_PUSH_TOKEN",
            "GIT_QUARANTINE_PATH",
            "GIT_PUSH_OPTION_COUNT",
            "GIT_PUSH_OPTION_0",
            "GIT_DIR",
            "PATH",
            "LANG",
        ]));
        let names: Vec<_> = passed.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["GIT_PUSH_OPTION_0", "GIT_PUSH_OPTION_COUNT", "GIT_QUARANTINE_PATH", "SLIPWAY_PUSH_TOKEN"]
        );
    }

    #[test]
    fn a_client_passes_on_its_language() {
        let passed = client_environment(variables(&["LANG", "LC_TIME", "AWS_SECRET_ACCESS_KEY", "PATH"]));
        assert_eq!(passed.keys().map(String::as_str).collect::<Vec<_>>(), ["LANG", "LC_TIME"]);
    }
}
