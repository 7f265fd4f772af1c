//! Fetching from other servers: `git:sync`, and the transport that submodules share.
//!
//! A URL is checked once, in its type: only protocols of the network are taken, so that no URL reads this host's
//! files or runs a command here (`file:`, `ext::`). Passwords in a URL are never shown.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::git::command::{check_objects, git, run};
use crate::git::commit::CommitId;
use crate::git::error::{GitError, blocking};
use crate::git::references::resolve;
use crate::git::repositories::Repositories;
use crate::model::app_name::AppName;
use crate::process::Program;

/// How long a fetch may take.
pub(super) const FETCH_TIME: Duration = Duration::from_secs(1800);

/// Where `git:sync` keeps what it fetched, so that it moves no branch of the app's.
const SYNC_REFERENCE: &str = "refs/slipway/sync";

/// A repository on another server: `https://`, `http://`, `git://` or `ssh://`, or `user@host:path`.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl(String);

/// Why a text is no such URL.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RemoteUrlError {
    /// Another protocol, or a path of this host.
    #[error("{0} is not the URL of a repository: write https://…, ssh://… or user@host:path")]
    Protocol(String),
    /// A URL relative to where this repository came from, which a push does not tell.
    #[error("{0} is relative to a server that Slipway does not know: write the whole URL")]
    Relative(String),
    /// Characters that no URL has.
    #[error("the URL of a repository has no blanks and no control characters")]
    Characters,
}

/// Why nothing came of a fetch.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The repository on this side is at fault.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A reference that no repository can have.
    #[error("{0} is not the name of a branch, a tag or a commit")]
    Reference(String),
    /// The other server refused, or cannot be reached.
    #[error("cannot fetch from {url}: {message}")]
    Remote {
        /// The URL without its password.
        url: String,
        /// git's last words.
        message: String,
    },
    /// The other repository has no such thing.
    #[error("{url} has no branch, tag or commit {reference}")]
    Missing {
        /// The URL without its password.
        url: String,
        /// What was asked for.
        reference: String,
    },
}

impl RemoteUrl {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL that a submodule's relative one stands for: `../b.git` beside `https://host/a.git`.
    pub(super) fn join(&self, relative: &str) -> Result<Self, RemoteUrlError> {
        let unknown = || RemoteUrlError::Relative(relative.to_owned());
        let start = self.0.find("://").map_or(0, |index| index + 3);
        let mut base = self.0.trim_end_matches('/');
        let mut rest = relative;
        loop {
            if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("../") {
                let cut = base.rfind(['/', ':']).filter(|index| *index >= start).ok_or_else(unknown)?;
                base = base.get(..cut).ok_or_else(unknown)?;
                rest = after;
            } else {
                break;
            }
        }
        // `user@host:path` has a colon where the others have the first slash.
        let is_bare_host = start == 0 && !base.contains(':');
        format!("{base}{}{rest}", if is_bare_host { ':' } else { '/' }).parse()
    }
}

impl FromStr for RemoteUrl {
    type Err = RemoteUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(RemoteUrlError::Characters);
        }
        if text.starts_with("./") || text.starts_with("../") {
            return Err(RemoteUrlError::Relative(text.to_owned()));
        }
        let after_scheme =
            ["https://", "http://", "git://", "ssh://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        // A host that begins with a dash would be an option of ssh (CVE-2017-1000117).
        let is_host = |rest: &str| {
            let host = rest.split('/').next().unwrap_or_default();
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            !host.is_empty() && !host.starts_with(['-', ':'])
        };
        let is_scp = || {
            let Some((host, path)) = text.split_once(':') else { return false };
            let has_user = host.split_once('@').is_some_and(|(user, _)| !user.is_empty());
            has_user && !host.contains('/') && !path.is_empty() && !path.starts_with([':', '-'])
        };
        let is_taken = match after_scheme {
            Some(rest) => is_host(rest) && !rest.starts_with('-'),
            None => !text.starts_with('-') && !text.contains("://") && is_scp() && is_host(text),
        };
        if is_taken {
            Ok(Self(text.to_owned()))
        } else {
            Err(RemoteUrlError::Protocol(without_password(text)))
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Repositories {
    /// Fetches a branch, a tag or a commit (or what the other side's HEAD is) into an app's repository.
    ///
    /// Moves no branch: the caller calls [`Repositories::update_ref`] once the deploy has succeeded. Until then the
    /// commit is kept by a reference that clients do not see.
    pub async fn fetch(
        &self,
        app: &AppName,
        url: &RemoteUrl,
        reference: Option<&str>,
    ) -> Result<CommitId, FetchError> {
        let wanted = reference.unwrap_or("HEAD");
        if !is_reference(wanted) {
            return Err(FetchError::Reference(wanted.to_owned()));
        }
        let repository = self.path(app);
        let one = format!("+{wanted}:{SYNC_REFERENCE}/wanted");
        let looks_like_commit = wanted.len() >= 7 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        match fetch(&repository, url, &[&one], Depth::Full).await {
            Ok(()) => return self.resolved(app, url, &format!("{SYNC_REFERENCE}/wanted"), wanted).await,
            // Not every server gives out a commit by its name, and none by a part of it: take everything and look.
            Err(_) if looks_like_commit => {}
            Err(error) if error.to_string().contains("couldn't find remote ref") => {
                return Err(FetchError::Missing { url: url.to_string(), reference: wanted.to_owned() });
            }
            Err(error) => return Err(error),
        }
        let heads = format!("+refs/heads/*:{SYNC_REFERENCE}/heads/*");
        let tags = format!("+refs/tags/*:{SYNC_REFERENCE}/tags/*");
        fetch(&repository, url, &[&heads, &tags], Depth::Full).await?;
        self.resolved(app, url, wanted, wanted).await
    }

    /// Copies what another app's branch, tag or commit consists of; `None` if there is none of that name. As with
    /// [`Repositories::fetch`], no branch is moved.
    pub async fn copy(
        &self,
        from: &AppName,
        to: &AppName,
        reference: &str,
    ) -> Result<Option<CommitId>, GitError> {
        let Some(commit) = self.resolve(from, reference).await? else { return Ok(None) };
        let heads = format!("+refs/heads/*:{SYNC_REFERENCE}/heads/*");
        let tags = format!("+refs/tags/*:{SYNC_REFERENCE}/tags/*");
        let program = fetch_program(&self.path(to)).variable("GIT_ALLOW_PROTOCOL", "file").argument("--");
        let program = program.argument(self.path(from)).arguments([heads, tags]);
        run(&program, "fetch", FETCH_TIME).await?;
        Ok(Some(commit))
    }

    async fn resolved(
        &self,
        app: &AppName,
        url: &RemoteUrl,
        found: &str,
        wanted: &str,
    ) -> Result<CommitId, FetchError> {
        let (repositories, app, found) = (self.clone(), app.clone(), found.to_owned());
        let commit = blocking(move || resolve(&repositories.open(&app)?, &found)).await?;
        commit.ok_or_else(|| FetchError::Missing { url: url.to_string(), reference: wanted.to_owned() })
    }
}

/// How much of the history is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The commit and its tree only.
    One,
    Full,
}

/// Runs `git fetch` in a bare repository, with refspecs that were made here.
pub(super) async fn fetch(
    repository: &Path,
    url: &RemoteUrl,
    refspecs: &[&str],
    depth: Depth,
) -> Result<(), FetchError> {
    let mut program = fetch_program(repository);
    if depth == Depth::One {
        program = program.argument("--depth=1");
    }
    let program = program.arguments(["--", url.as_str()]).arguments(refspecs.iter().copied());
    match run(&program, "fetch", FETCH_TIME).await {
        Ok(_) => Ok(()),
        Err(GitError::Command { message, .. }) => {
            // Older versions of git repeat the URL as it was given.
            let message = message.replace(url.as_str(), &url.to_string());
            Err(FetchError::Remote { url: url.to_string(), message })
        }
        Err(error) => Err(error.into()),
    }
}

fn fetch_program(repository: &Path) -> Program {
    check_objects(git(repository), "fetch")
        // What a redirect or a submodule could lead to counts too, so it is said here once more.
        .variable("GIT_ALLOW_PROTOCOL", "http:https:git:ssh")
        // ssh asks nobody for a password or about a host that it does not know, and says so instead.
        .variable("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
        .variable("GIT_SSH_VARIANT", "ssh")
        // A server that sends next to nothing for a minute is as good as gone.
        .arguments(["-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60"])
        .arguments(["--git-dir=.", "fetch"])
        // Only what the refspecs name; no FETCH_HEAD, which two fetches would share; submodules are our own business.
        .arguments(["--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--quiet", "--force"])
}

fn is_reference(text: &str) -> bool {
    text == "HEAD"
        || (!text.starts_with(['-', '+', '^'])
            && git2::Reference::is_valid_name(&format!("refs/heads/{text}")))
}

/// Hides what stands between `//` and `@`, but for the user's name.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let Some((user, host)) = host.rsplit_once('@') else { return url.to_owned() };
    // Tokens are also given as the user's name, without a password.
    let is_plain_user = !user.contains(':') && scheme == "ssh";
    let user = if is_plain_user { user } else { "***" };
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    format!("{scheme}://{user}@{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_the_network_are_taken() {
        for url in [
            "https://example.com/a.git",
            "http://user:pass@example.com:8080/a",
            "ssh://git@example.com:22/a",
            "git://example.com/a",
            "git@example.com:owner/a.git",
        ] {
            assert!(url.parse::<RemoteUrl>().is_ok(), "{url}");
        }
        for url in [
            "",
            "/srv/a.git",
            "./a",
            "../a",
            "a.git",
            "file:///etc",
            "ext::sh -c id",
            "ext::id",
            "fd::0",
            "--upload-pack=id",
            "-o@host:a",
            "ssh://-oProxyCommand=id/a",
            "ssh://git@-oProxyCommand=id/a",
            "git@-oProxyCommand=id:a",
            "https://",
            "https:///a",
            "git@host:",
            "user@host::x",
            "ftp://example.com/a",
            "https://example.com/a b",
            "https://example.com/\n",
            "host:path",
        ] {
            assert!(url.parse::<RemoteUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn passwords_and_tokens_are_not_shown() {
        let shown = |url: &str| format!("{:?}", url.parse::<RemoteUrl>().unwrap());
        assert_eq!(shown("https://u:secret@example.com/a"), "https://***@example.com/a");
        assert_eq!(shown("https://secret@example.com/a"), "https://***@example.com/a");
        assert_eq!(shown("ssh://git@example.com/a"), "ssh://git@example.com/a");
        assert_eq!(shown("https://example.com/a@b"), "https://example.com/a@b");
        let error = "ftp://u:secret@example.com/".parse::<RemoteUrl>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn relative_urls_are_joined_as_git_does() {
        let join =
            |base: &str, relative| base.parse::<RemoteUrl>().unwrap().join(relative).map(|url| url.0).ok();
        for (base, relative, expected) in [
            ("https://h/o/a.git", "../b.git", Some("https://h/o/b.git")),
            ("https://h/o/a.git/", "../../p/b", Some("https://h/p/b")),
            ("https://h/o/a.git", "./b", Some("https://h/o/a.git/b")),
            ("git@h:o/a.git", "../b", Some("git@h:o/b")),
            ("git@h:a.git", "../b", Some("git@h:b")),
            ("https://h/a", "../../../b", None),
        ] {
            assert_eq!(join(base, relative).as_deref(), expected, "{base} {relative}");
        }
    }

    #[test]
    fn references_are_names_and_never_refspecs_or_options() {
        for text in ["HEAD", "main", "v1.0", "feature/x", "refs/tags/v1"] {
            assert!(is_reference(text), "{text}");
        }
        for text in ["", "-x", "+main", "a:b", "a b", "a..b", "^a", "a*", "@{u}", "a\n"] {
            assert!(!is_reference(text), "{text}");
        }
    }
}
