//! Branches and commits of an app's repository.

use git2::{ErrorCode, ObjectType, Reference, Repository};

use crate::git::commit::{CommitId, ObjectId};
use crate::git::error::{GitError, blocking};
use crate::git::repositories::Repositories;
use crate::model::app_name::AppName;

impl Repositories {
    /// The commit that a branch, a tag or a (possibly shortened) object name stands for, in this order.
    pub async fn resolve(&self, app: &AppName, reference: &str) -> Result<Option<CommitId>, GitError> {
        let (repositories, app, reference) = (self.clone(), app.clone(), reference.to_owned());
        blocking(move || resolve(&repositories.open(&app)?, &reference)).await
    }

    /// What a reference points to, by its whole name: a commit, or an annotated tag.
    pub async fn target_of(&self, app: &AppName, reference: &str) -> Result<Option<ObjectId>, GitError> {
        let (repositories, app, reference) = (self.clone(), app.clone(), reference.to_owned());
        blocking(move || {
            let repository = repositories.open(&app)?;
            match repository.find_reference(&reference) {
                Ok(found) => Ok(found.target().map(ObjectId::from_oid)),
                Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
                Err(error) => Err(GitError::library("read a reference")(error)),
            }
        })
        .await
    }

    /// Points a branch to a commit, whatever it pointed to.
    pub async fn update_ref(&self, app: &AppName, branch: &str, commit: &CommitId) -> Result<(), GitError> {
        let (repositories, app, commit) = (self.clone(), app.clone(), commit.clone());
        let name = branch_reference(branch)?;
        blocking(move || {
            let repository = repositories.open(&app)?;
            let action = "update the branch";
            let id = commit.to_oid().map_err(GitError::library(action))?;
            repository.reference(&name, id, true, "slipway").map_err(GitError::library(action))?;
            Ok(())
        })
        .await
    }

    /// Makes a branch the one that a clone checks out. The branch need not exist yet.
    pub async fn set_head(&self, app: &AppName, branch: &str) -> Result<(), GitError> {
        let (repositories, app) = (self.clone(), app.clone());
        let name = branch_reference(branch)?;
        blocking(move || {
            let repository = repositories.open(&app)?;
            repository.set_head(&name).map_err(GitError::library("set the head"))
        })
        .await
    }
}

/// Whether a branch can have this name.
pub fn is_branch_name(branch: &str) -> bool {
    // `git branch` refuses a name that begins with a dash, too: every command would take it for an option.
    !branch.starts_with('-') && Reference::is_valid_name(&format!("refs/heads/{branch}"))
}

pub(super) fn branch_reference(branch: &str) -> Result<String, GitError> {
    if is_branch_name(branch) {
        Ok(format!("refs/heads/{branch}"))
    } else {
        Err(GitError::BranchName(branch.to_owned()))
    }
}

pub(super) fn resolve(repository: &Repository, reference: &str) -> Result<Option<CommitId>, GitError> {
    for name in [format!("refs/heads/{reference}"), format!("refs/tags/{reference}"), reference.to_owned()] {
        if !Reference::is_valid_name(&name) {
            continue;
        }
        match repository.find_reference(&name).and_then(|found| found.peel_to_commit()) {
            Ok(commit) => return Ok(Some(CommitId::from_oid(commit.id()))),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(GitError::library("read a reference")(error)),
        }
    }
    let is_hexadecimal = reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Shorter ones are words: `add`, `beef`.
    if !(7..=40).contains(&reference.len()) || !is_hexadecimal {
        return Ok(None);
    }
    match repository.find_commit_by_prefix(reference) {
        Ok(commit) => Ok(Some(CommitId::from_oid(commit.id()))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(GitError::library("find the commit")(error)),
    }
}

/// The commit that an object is, or that an annotated tag leads to.
pub(super) fn peel(repository: &Repository, object: &ObjectId) -> Result<CommitId, GitError> {
    let action = "find the commit that was pushed";
    let oid = object.to_oid().map_err(GitError::library(action))?;
    let object = repository.find_object(oid, None).map_err(GitError::library(action))?;
    let commit = object.peel(ObjectType::Commit).map_err(GitError::library(action))?;
    Ok(CommitId::from_oid(commit.id()))
}

fn is_absent(error: &git2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::NotFound | ErrorCode::Ambiguous | ErrorCode::InvalidSpec | ErrorCode::Peel
    )
}
