//! Submodules: the repositories that a commit refers to, fetched so that their files are part of its snapshot.
//!
//! Each URL has one bare repository for all apps, and only commits that a `.gitmodules` names are fetched. A
//! submodule that cannot be had fails the deploy: what it would build without it is not what the person has.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use git2::{ObjectType, Oid};
use tokio::sync::{Semaphore, mpsc};

use crate::git::command::{git, run_with_input};
use crate::git::commit::CommitId;
use crate::git::error::{GitError, blocking};
use crate::git::fetch::{Depth, FetchError, RemoteUrl, RemoteUrlError, fetch};
use crate::git::repositories::{Repositories, make_bare, open_bare};
use crate::git::tree::{MAX_ENTRIES, Node, Snapshot, Source, TreeError, is_dangerous, read_blob, tree_of};

/// How many submodules one commit may have, those of its submodules included.
const MAX_MODULES: usize = 200;
/// How deep submodules may be nested.
const MAX_DEPTH: usize = 8;
/// How large a `.gitmodules` may be, in bytes.
const MAX_FILE: usize = 1 << 20;

/// Fetches submodules. Clones share what keeps two fetches of the same URL apart.
#[derive(Clone, Debug)]
pub struct Submodules {
    repositories: Repositories,
    /// One permit for each URL's repository that is being fetched into. Grows with the number of URLs, which is small.
    turns: Arc<Mutex<HashMap<PathBuf, Arc<Semaphore>>>>,
}

/// Why a submodule's files cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SubmoduleError {
    /// The commit itself is at fault.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The repository is at fault.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A repository within the repository, as `git add` makes it of a clone.
    #[error(
        "{path} is a repository of its own, and no .gitmodules says where it comes from: \
         add it with git submodule add, or remove its .git directory and add its files"
    )]
    Unmapped {
        /// Where it stands.
        path: String,
    },
    /// A URL that is not taken.
    #[error("submodule {path}: {source}")]
    Url {
        /// Where it stands.
        path: String,
        /// What is wrong with its URL.
        source: RemoteUrlError,
    },
    /// Its server cannot be reached, refuses, or does not have the commit.
    #[error(
        "submodule {path}: cannot get commit {commit} from {url}: check that the commit was pushed there \
         and that this host may read it"
    )]
    Fetch {
        /// Where it stands.
        path: String,
        /// Its URL, without a password.
        url: String,
        /// The commit that is needed.
        commit: String,
        /// What git said.
        source: Option<FetchError>,
    },
    /// More than can be meant.
    #[error("the commit has too many submodules, or they are nested too deeply")]
    TooMany,
}

/// A submodule that is still to be fetched.
struct Wanted {
    path: String,
    url: RemoteUrl,
    commit: CommitId,
    depth: usize,
}

/// A commit whose own submodules are still to be found, and where its files stand.
struct Pending {
    prefix: String,
    source: Source,
    /// The URL that relative ones start from; nothing for the app's own repository, which was pushed.
    base: Option<RemoteUrl>,
    depth: usize,
}

impl Submodules {
    /// The submodules of a server's repositories.
    pub fn new(repositories: Repositories) -> Self {
        Self { repositories, turns: Arc::default() }
    }

    /// Fetches all submodules of a commit, and theirs, and adds them to its snapshot.
    ///
    /// A line about each that has to be fetched goes to `progress`; nobody needs to read it.
    pub async fn add_to(
        &self,
        mut snapshot: Snapshot,
        progress: &mpsc::Sender<String>,
    ) -> Result<Snapshot, SubmoduleError> {
        let mut modules = BTreeMap::new();
        let root = Pending { prefix: String::new(), source: snapshot.root.clone(), base: None, depth: 0 };
        let mut pending = VecDeque::from([root]);
        while let Some(next) = pending.pop_front() {
            for wanted in self.wanted(next).await? {
                if modules.len() >= MAX_MODULES || wanted.depth > MAX_DEPTH {
                    return Err(SubmoduleError::TooMany);
                }
                let source = self.get(&wanted, progress).await?;
                modules.insert(wanted.path.clone(), source.clone());
                let Wanted { path, url, depth, .. } = wanted;
                pending.push_back(Pending { prefix: path, source, base: Some(url), depth });
            }
        }
        snapshot.modules = modules;
        Ok(snapshot)
    }

    /// Finds the submodules of one commit and where each comes from.
    async fn wanted(&self, pending: Pending) -> Result<Vec<Wanted>, SubmoduleError> {
        let source = pending.source.clone();
        let (links, file) = blocking(move || read_links(&source)).await?;
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let urls = match file {
            Some(file) => self.read_file(file).await?,
            None => BTreeMap::new(),
        };
        let mut wanted = Vec::new();
        for (link, commit) in links {
            let path =
                if pending.prefix.is_empty() { link.clone() } else { format!("{}/{link}", pending.prefix) };
            let Some(url) = urls.get(&link) else { return Err(SubmoduleError::Unmapped { path }) };
            let parsed = match &pending.base {
                Some(base) if url.starts_with("./") || url.starts_with("../") => base.join(url),
                _ => url.parse(),
            };
            let url = parsed.map_err(|source| SubmoduleError::Url { path: path.clone(), source })?;
            wanted.push(Wanted { path, url, commit, depth: pending.depth + 1 });
        }
        Ok(wanted)
    }

    /// Reads a `.gitmodules` with git itself: paths and their URLs.
    async fn read_file(&self, content: Vec<u8>) -> Result<BTreeMap<String, String>, GitError> {
        let program =
            git(self.repositories.submodules()).arguments(["config", "--no-includes", "--file", "-"]);
        let program = program.arguments(["--null", "--list"]);
        let time = Duration::from_secs(10);
        let finished = run_with_input(&program, "config", time, Bytes::from(content)).await?;
        Ok(paths_and_urls(&String::from_utf8_lossy(&finished.stdout)))
    }

    /// The commit of a submodule, fetched if it is not there yet.
    async fn get(&self, wanted: &Wanted, progress: &mpsc::Sender<String>) -> Result<Source, SubmoduleError> {
        let repository = self.repository_of(&wanted.url)?;
        let turn = self.turn(&repository);
        // Held for the fetch only; the semaphore is never closed, so this does not fail.
        let _permit = turn.acquire().await.map_err(|_| GitError::Interrupted)?;
        if !repository.join("HEAD").exists() {
            make_bare(&repository)?;
        }
        let source = Source { repository, quarantine: None, commit: wanted.commit.clone() };
        if has_commit(&source).await? {
            return Ok(source);
        }
        let Wanted { path, url, commit, .. } = wanted;
        // The reader may be gone; the fetch goes on, for the next deploy has use for it.
        progress.send(format!("Fetching submodule {path} from {url}")).await.ok();
        let refused = self.fetch_one(&source, url).await;
        if has_commit(&source).await? {
            return Ok(source);
        }
        let (url, commit) = (url.to_string(), commit.to_string());
        Err(SubmoduleError::Fetch { path: path.clone(), url, commit, source: refused.err() })
    }

    async fn fetch_one(&self, source: &Source, url: &RemoteUrl) -> Result<(), FetchError> {
        let commit = &source.commit;
        let repository = &source.repository;
        // Kept by a reference of its own, so that no collection of garbage takes it.
        let one = format!("+{commit}:refs/slipway/{commit}");
        if fetch(repository, url, &[&one], Depth::One).await.is_ok() {
            return Ok(());
        }
        // Not every server gives out a commit by its name, and a plain web server has no shallow fetch.
        let everything = ["+refs/heads/*:refs/slipway/heads/*", "+refs/tags/*:refs/slipway/tags/*"];
        fetch(repository, url, &everything, Depth::Full).await
    }

    fn repository_of(&self, url: &RemoteUrl) -> Result<PathBuf, GitError> {
        let hash = Oid::hash_object(ObjectType::Blob, url.as_str().as_bytes());
        let hash = hash.map_err(GitError::library("name a submodule"))?;
        Ok(self.repositories.submodules().join(format!("{hash}.git")))
    }

    fn turn(&self, repository: &Path) -> Arc<Semaphore> {
        // The map stays whole whatever happened to another thread: entries are only ever added.
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(repository.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }
}

type Links = Vec<(String, CommitId)>;

/// The submodules in a commit's tree, and its `.gitmodules` if it has one.
fn read_links(source: &Source) -> Result<(Links, Option<Vec<u8>>), TreeError> {
    let repository = source.open()?;
    let tree = tree_of(&repository, &source.commit)?;
    let file = match tree.get_name(".gitmodules").as_ref().and_then(Node::of) {
        Some(Node::File(id) | Node::Program(id)) => {
            Some(read_blob(&repository, id, ".gitmodules", MAX_FILE)?)
        }
        _ => None,
    };
    let mut links = Vec::new();
    let mut entries = 0;
    let mut directories = vec![(String::new(), tree)];
    while let Some((prefix, tree)) = directories.pop() {
        entries += tree.len();
        if entries > MAX_ENTRIES {
            return Err(TreeError::TooMany(MAX_ENTRIES));
        }
        for entry in &tree {
            let name = String::from_utf8_lossy(entry.name_bytes());
            let path = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
            match Node::of(&entry) {
                Some(_) if is_dangerous(entry.name_bytes()) => return Err(TreeError::Path(path)),
                Some(Node::Module(id)) => links.push((path, CommitId::from_oid(id))),
                Some(Node::Directory(id)) if path.len() < 4096 => {
                    let tree = repository.find_tree(id).map_err(GitError::library("read a directory"))?;
                    directories.push((path, tree));
                }
                _ => {}
            }
        }
    }
    links.sort();
    Ok((links, file))
}

/// Takes `submodule.NAME.path` and `submodule.NAME.url` out of what `git config --null --list` prints.
fn paths_and_urls(listing: &str) -> BTreeMap<String, String> {
    let mut paths = HashMap::new();
    let mut urls = HashMap::new();
    for (key, value) in listing.split('\0').filter_map(|entry| entry.split_once('\n')) {
        let Some(key) = key.strip_prefix("submodule.") else { continue };
        if let Some(name) = key.strip_suffix(".path") {
            paths.insert(name, value.trim_end_matches('/').to_owned());
        } else if let Some(name) = key.strip_suffix(".url") {
            urls.insert(name, value.to_owned());
        }
    }
    paths.into_iter().filter_map(|(name, path)| Some((path, urls.remove(name)?))).collect()
}

async fn has_commit(source: &Source) -> Result<bool, GitError> {
    let source = source.clone();
    blocking(move || {
        let library = || GitError::library("look for a submodule's commit");
        let repository = open_bare(&source.repository)?;
        let id = source.commit.to_oid().map_err(library())?;
        Ok(repository.odb().map_err(library())?.exists(id))
    })
    .await
}
