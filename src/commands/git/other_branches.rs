//! Branches that are not deployed: plugins may take them, and are told of what became of them.

use crate::app::App;
use crate::app::pushes::{OtherBranch, Push};
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::console::{Console, Output};
use crate::git::push::RefUpdate;
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::store::apps::AppRecord;

/// What stands before a branch's name.
const BRANCHES: &str = "refs/heads/";

/// The branches among a push's references, without the one that is deployed.
pub(super) fn of(updates: &[RefUpdate], deployed: Option<&str>) -> Vec<OtherBranch> {
    let others = updates.iter().filter(|update| Some(update.name.as_str()) != deployed);
    let branch = |update: &RefUpdate| {
        let name = update.name.strip_prefix(BRANCHES)?.to_owned();
        Some(OtherBranch { name, commit: update.new.as_ref().map(ToString::to_string) })
    };
    others.filter_map(branch).collect()
}

/// Whether plugins take all the branches that are pushed; those that are deleted need nobody.
pub(super) async fn are_taken(
    context: &Context,
    record: &AppRecord,
    push: &Push,
    branches: &[OtherBranch],
) -> Result<bool, CommandError> {
    for branch in branches {
        let Some(commit) = &branch.commit else { continue };
        let event = || Event::ReceiveBranch {
            app: record.name.clone(),
            by: push.caller.name.clone(),
            branch: branch.name.clone(),
            commit: commit.clone(),
        };
        let scene = Scene::command(context.console());
        let taken = context.app.hooks.offer(Hook::ReceiveBranch, scene, event).await;
        let refused = |veto| CommandError::user(veto).hint("What was deployed before is left as it was");
        if !taken.map_err(refused)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells plugins of the branches that git has moved or deleted.
pub(super) async fn tell(
    app: &App,
    record: &AppRecord,
    by: &str,
    console: &Console,
    branches: Vec<OtherBranch>,
) {
    if !app.hooks.has(Hook::PostReceiveBranch) {
        return;
    }
    for OtherBranch { name, commit } in branches {
        let found = app.repositories.target_of(&record.name, &format!("{BRANCHES}{name}")).await;
        // Git may have refused this one.
        if found.ok().flatten().map(|object| object.to_string()) != commit {
            continue;
        }
        let event = || Event::PostReceiveBranch {
            app: record.name.clone(),
            by: by.to_owned(),
            branch: name.clone(),
            commit: commit.clone(),
        };
        // On standard error, for git spoke its protocol on standard output.
        let (own, mut output) = Console::new();
        let telling = async {
            let own = own;
            app.hooks.tell(Hook::PostReceiveBranch, Scene::command(&own), event).await;
        };
        let relaying = async {
            while let Some(Output::Stdout(bytes) | Output::Stderr(bytes) | Output::Terminal(bytes)) =
                output.recv().await
            {
                console.stderr(bytes).await;
            }
        };
        tokio::join!(telling, relaying);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::push::parse_updates;

    #[test]
    fn tags_and_what_is_deployed_are_no_other_branches() {
        let (old, new, none) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        let text = format!(
            "{old} {new} refs/heads/main\n{none} {new} refs/heads/idea\n{old} {none} refs/heads/done\n\
             {none} {new} refs/tags/v1\n"
        );
        let updates = parse_updates(text.as_bytes()).unwrap();
        let names =
            |deployed| of(&updates, deployed).into_iter().map(|branch| branch.name).collect::<Vec<_>>();
        assert_eq!(names(Some("refs/heads/main")), ["idea", "done"]);
        assert_eq!(names(None), ["main", "idea", "done"]);
        assert_eq!(of(&updates, None)[2].commit, None);
    }
}
