//! What a push means: which of its references is deployed, and why a push that deploys nothing is refused.
//!
//! Pure: the hook's input as text, the decision as a value. Dokku accepts a push of another branch and deploys
//! nothing; people then wait for a deploy that never comes. Here such a push is refused with what to do, and a
//! refused push can simply be repeated.

use crate::git::commit::{ObjectId, ObjectIdError};
use crate::model::app_name::AppName;

/// The most push options that are looked at.
const MAX_OPTIONS: usize = 100;

/// One line of the hook's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// What the reference pointed to; nothing if it is new.
    pub old: Option<ObjectId>,
    /// What it will point to; nothing if it is deleted.
    pub new: Option<ObjectId>,
    /// Its whole name, such as `refs/heads/main`.
    pub name: String,
}

/// What the hook was given that is no list of references.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PushInputError {
    /// A line without three fields.
    #[error("line {0} of the hook's input is not `old new reference`")]
    Fields(usize),
    /// An object name that is none.
    #[error(transparent)]
    Object(#[from] ObjectIdError),
    /// A reference whose name is not UTF-8.
    #[error("the name of a reference is not UTF-8 text: rename the branch")]
    NotText,
}

/// What a push leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// One reference is deployed; the push is accepted once that has succeeded.
    Deploy(Target),
    /// The push only deletes references that nothing is deployed from.
    Accept,
}

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The branch, or the tag, without `refs/heads/` or `refs/tags/`.
    pub branch: String,
    /// The same with it.
    pub reference: String,
    /// What it pointed to when the client asked; nothing if it is new.
    pub old: Option<ObjectId>,
    /// What was pushed to it: a commit, or an annotated tag that leads to one.
    pub object: ObjectId,
    /// Whether the branch has to be recorded as the app's deploy branch: it is the first.
    pub becomes_deploy_branch: bool,
}

impl Target {
    /// Whether it is a branch and not a tag.
    pub fn is_branch(&self) -> bool {
        self.reference.starts_with("refs/heads/")
    }
}

/// Why a push is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A reference that is neither a branch nor a tag.
    #[error("{0} is neither a branch nor a tag")]
    Namespace(String),
    /// The deploy branch would be gone.
    #[error("{0} is the deploy branch and cannot be deleted")]
    DeletesDeployBranch(String),
    /// The push has other branches, and not the one that is deployed.
    #[error("deploy did not complete: {deploy_branch} is deployed, and only {pushed} was pushed")]
    OtherBranch {
        /// What is deployed.
        deploy_branch: String,
        /// A branch that was pushed.
        pushed: String,
    },
    /// The push has tags only.
    #[error("deploy did not complete: only the tag {tag} was pushed")]
    OnlyTags {
        /// What is deployed, if anything is.
        deploy_branch: Option<String>,
        /// A tag that was pushed.
        tag: String,
    },
    /// Another push was deployed while this one was under way, and git would not move the branch any more.
    #[error("deploy did not complete: {0} was pushed by somebody else meanwhile")]
    Overtaken(String),
    /// The first push has several branches, and none has the name that everybody expects.
    #[error("deploy did not complete: which of {} is to be deployed?", .0.join(", "))]
    Ambiguous(Vec<String>),
}

impl Refusal {
    /// What to do, one way a line; `app` is whose repository it is.
    pub fn hints(&self, app: &AppName) -> Vec<String> {
        match self {
            Self::Namespace(_) => vec!["push a branch: git push slipway main".to_owned()],
            Self::DeletesDeployBranch(_) => vec![
                format!("deploy another branch first: git:set {app} deploy-branch OTHER"),
                format!("or remove the app: apps:destroy {app}"),
            ],
            Self::OtherBranch { deploy_branch, pushed } => vec![
                format!("to deploy {pushed} now: git push slipway {pushed}:{deploy_branch}"),
                format!("to deploy it from now on: git:set {app} deploy-branch {pushed}, then push again"),
            ],
            Self::OnlyTags { deploy_branch, tag } => {
                let branch = deploy_branch.as_deref().unwrap_or("main");
                vec![
                    format!("to deploy it now: git push slipway {tag}^{{}}:refs/heads/{branch}"),
                    format!(
                        "to deploy the tag from now on: git:set {app} deploy-branch {tag}, then push again"
                    ),
                ]
            }
            Self::Overtaken(branch) => vec![
                format!("to add yours to what was pushed: git pull slipway {branch}, then push again"),
                format!("to replace it: git push --force slipway {branch}"),
            ],
            Self::Ambiguous(branches) => {
                let first = branches.first().map_or("main", String::as_str);
                vec![
                    format!("push one of them: git push slipway {first}"),
                    format!("or choose: git:set {app} deploy-branch {first}, then push again"),
                ]
            }
        }
    }
}

/// Reads what `git receive-pack` gives to its pre-receive hook: lines of `old new reference`.
pub fn parse_updates(input: &[u8]) -> Result<Vec<RefUpdate>, PushInputError> {
    let text = std::str::from_utf8(input).map_err(|_| PushInputError::NotText)?;
    let updates = text.lines().enumerate().map(|(index, line)| {
        let mut fields = line.splitn(3, ' ');
        let (Some(old), Some(new), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(PushInputError::Fields(index + 1));
        };
        Ok(RefUpdate { old: object(old)?, new: object(new)?, name: name.to_owned() })
    });
    updates.collect()
}

/// The push options (`git push -o`) that `git receive-pack` puts into its hook's environment.
pub fn push_options(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let count = variable("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    (0..MAX_OPTIONS.min(count)).filter_map(|index| variable(&format!("GIT_PUSH_OPTION_{index}"))).collect()
}

/// Decides what a push leads to.
///
/// `deploy_branch` is the app's setting, or the global one; without it the first branch pushed becomes it. A tag is
/// deployed only if it is what the setting names.
pub fn decide(deploy_branch: Option<&str>, updates: &[RefUpdate]) -> Result<Decision, Refusal> {
    let mut branches = Vec::new();
    let mut tags = Vec::new();
    for update in updates {
        if let Some(branch) = update.name.strip_prefix("refs/heads/") {
            branches.push((branch, update));
        } else if let Some(tag) = update.name.strip_prefix("refs/tags/") {
            tags.push((tag, update));
        } else {
            return Err(Refusal::Namespace(update.name.clone()));
        }
    }
    match deploy_branch {
        Some(deploy_branch) => decide_for(deploy_branch, &branches, &tags),
        None => decide_first(&branches, &tags),
    }
}

type Named<'a> = (&'a str, &'a RefUpdate);

fn decide_for(deploy_branch: &str, branches: &[Named], tags: &[Named]) -> Result<Decision, Refusal> {
    // A branch wins over a tag of the same name.
    let mine = branches.iter().chain(tags).find(|(name, _)| *name == deploy_branch);
    if let Some((name, update)) = mine {
        let target = target(name, update, false);
        return target.map(Decision::Deploy).ok_or_else(|| Refusal::DeletesDeployBranch((*name).to_owned()));
    }
    let deploy_branch = deploy_branch.to_owned();
    if let Some(branch) = first_pushed(branches) {
        return Err(Refusal::OtherBranch { deploy_branch, pushed: branch.to_owned() });
    }
    match first_pushed(tags) {
        Some(tag) => Err(Refusal::OnlyTags { deploy_branch: Some(deploy_branch), tag: tag.to_owned() }),
        None => Ok(Decision::Accept),
    }
}

fn first_pushed<'a>(references: &[Named<'a>]) -> Option<&'a str> {
    references.iter().find(|(_, update)| update.new.is_some()).map(|(name, _)| *name)
}

fn decide_first(branches: &[Named], tags: &[Named]) -> Result<Decision, Refusal> {
    let mut pushed: Vec<Target> =
        branches.iter().filter_map(|(name, update)| target(name, update, true)).collect();
    if pushed.len() > 1 {
        let expected = ["main", "master"]
            .iter()
            .find_map(|expected| pushed.iter().position(|target| target.branch == *expected));
        let Some(expected) = expected else {
            return Err(Refusal::Ambiguous(pushed.into_iter().map(|target| target.branch).collect()));
        };
        pushed = vec![pushed.swap_remove(expected)];
    }
    if let Some(target) = pushed.pop() {
        return Ok(Decision::Deploy(target));
    }
    match first_pushed(tags) {
        Some(tag) => Err(Refusal::OnlyTags { deploy_branch: None, tag: tag.to_owned() }),
        None => Ok(Decision::Accept),
    }
}

/// What is deployed if a reference is; nothing if it is deleted.
fn target(branch: &str, update: &RefUpdate, becomes_deploy_branch: bool) -> Option<Target> {
    let object = update.new.clone()?;
    let (reference, old) = (update.name.clone(), update.old.clone());
    Some(Target { branch: branch.to_owned(), reference, old, object, becomes_deploy_branch })
}

/// An object's name; all zeros stand for none.
fn object(text: &str) -> Result<Option<ObjectId>, ObjectIdError> {
    let id: ObjectId = text.parse()?;
    Ok(if text.bytes().all(|byte| byte == b'0') { None } else { Some(id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "0000000000000000000000000000000000000000";
    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    /// Updates from a short form: `main` is pushed, `-main` is deleted; tags are `t/…`, others begin with `refs/`.
    fn updates(short: &str) -> Vec<RefUpdate> {
        let lines = short.split_whitespace().map(|word| {
            let (name, new) = word.strip_prefix('-').map_or((word, TWO), |name| (name, NONE));
            let name = match name.strip_prefix("t/") {
                Some(tag) => format!("refs/tags/{tag}"),
                None if name.starts_with("refs/") => name.to_owned(),
                None => format!("refs/heads/{name}"),
            };
            format!("{ONE} {new} {name}\n")
        });
        parse_updates(lines.collect::<String>().as_bytes()).unwrap()
    }

    fn outcome(deploy_branch: Option<&str>, pushed: &str) -> String {
        match decide(deploy_branch, &updates(pushed)) {
            Ok(Decision::Accept) => "accept".to_owned(),
            Ok(Decision::Deploy(target)) if target.becomes_deploy_branch => {
                format!("first {}", target.branch)
            }
            Ok(Decision::Deploy(target)) => format!("deploy {}", target.branch),
            Err(refusal) => format!("refuse: {refusal}"),
        }
    }

    #[test]
    fn the_deploy_branch_is_deployed_and_nothing_else_passes_unnoticed() {
        for (pushed, expected) in [
            ("main", "deploy main"),
            ("feature main t/v1", "deploy main"),
            ("main -feature", "deploy main"),
            ("feature", "refuse: deploy did not complete: main is deployed, and only feature was pushed"),
            (
                "-old feature",
                "refuse: deploy did not complete: main is deployed, and only feature was pushed",
            ),
            ("t/v1", "refuse: deploy did not complete: only the tag v1 was pushed"),
            ("-main", "refuse: main is the deploy branch and cannot be deleted"),
            ("-main feature", "refuse: main is the deploy branch and cannot be deleted"),
            ("-feature -t/v1", "accept"),
            ("t/main", "deploy main"),
            ("t/main main", "deploy main"),
            ("-t/main", "refuse: main is the deploy branch and cannot be deleted"),
            ("main refs/notes/commits", "refuse: refs/notes/commits is neither a branch nor a tag"),
            ("refs/slipway/x", "refuse: refs/slipway/x is neither a branch nor a tag"),
            ("refs/headsmain", "refuse: refs/headsmain is neither a branch nor a tag"),
        ] {
            assert_eq!(outcome(Some("main"), pushed), expected, "{pushed}");
        }
        assert_eq!(outcome(Some("v1"), "t/v1"), "deploy v1");
    }

    #[test]
    fn the_first_branch_becomes_the_deploy_branch() {
        for (pushed, expected) in [
            ("feature", "first feature"),
            ("feature t/v1", "first feature"),
            ("feature main master", "first main"),
            ("feature master", "first master"),
            ("feature fix", "refuse: deploy did not complete: which of feature, fix is to be deployed?"),
            ("feature -main", "first feature"),
            ("t/v1 t/v2", "refuse: deploy did not complete: only the tag v1 was pushed"),
            ("-feature", "accept"),
            ("", "accept"),
        ] {
            assert_eq!(outcome(None, pushed), expected, "{pushed}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let app: AppName = "blog".parse().unwrap();
        let hints = |deploy_branch, pushed| {
            decide(deploy_branch, &updates(pushed)).unwrap_err().hints(&app).join("\n")
        };
        assert!(hints(Some("main"), "feature").contains("git push slipway feature:main"));
        assert!(hints(Some("main"), "feature").contains("git:set blog deploy-branch feature"));
        assert!(hints(Some("main"), "t/v1").contains("git push slipway v1^{}:refs/heads/main"));
        assert!(hints(None, "a b").contains("git push slipway a"));
        assert!(hints(Some("main"), "-main").contains("git:set blog deploy-branch OTHER"));
    }

    #[test]
    fn the_hooks_input_is_read_as_it_is() {
        let line = format!("{NONE} {ONE} refs/heads/a b\n");
        let expected = RefUpdate { old: None, new: ONE.parse().ok(), name: "refs/heads/a b".to_owned() };
        assert_eq!(parse_updates(line.as_bytes()), Ok(vec![expected]));
        assert_eq!(parse_updates(format!("{ONE} {TWO}\n").as_bytes()), Err(PushInputError::Fields(1)));
        assert!(matches!(parse_updates(b"a b c\n"), Err(PushInputError::Object(_))));
        assert_eq!(parse_updates(b"\xff"), Err(PushInputError::NotText));
    }

    #[test]
    fn push_options_are_counted_and_bounded() {
        let variable = |count: &'static str| {
            move |name: &str| match name.strip_prefix("GIT_PUSH_OPTION_")? {
                "COUNT" => Some(count.to_owned()),
                index => Some(format!("o{index}")),
            }
        };
        assert_eq!(push_options(variable("2")), ["o0", "o1"]);
        assert_eq!(push_options(variable("999999999")).len(), MAX_OPTIONS);
        assert!(push_options(variable("x")).is_empty());
    }
}
