//! Submodules, fetched over the git protocol and from a plain web server.

use slipway::git::context::ContextRequest;
use slipway::git::submodules::{SubmoduleError, Submodules};
use slipway::git::tree::Snapshot;
use slipway::model::app_name::AppName;
use tokio::sync::mpsc;

use super::server::Server;
use super::support::{Root, Work};

/// A server that has the submodules, and one that gets the push.
struct Bench {
    elsewhere: Root,
    server: Server,
    here: Root,
    app: AppName,
}

impl Bench {
    async fn new() -> Self {
        let elsewhere = Root::new().await;
        let server = Server::git(elsewhere.repositories.clone(), 0).await;
        let here = Root::new().await;
        let app = here.app("blog").await;
        Self { elsewhere, server, here, app }
    }

    /// Puts a repository with one file onto the other server and returns its commit.
    async fn library(&self, name: &str, files: &[(&str, &str)]) -> String {
        let app = self.elsewhere.app(name).await;
        let work = Work::new();
        for (path, content) in files {
            work.write(path, content);
        }
        let commit = work.commit(name);
        work.put(&self.elsewhere, &app, "main");
        commit
    }

    /// A pushed commit with links and a `.gitmodules`.
    async fn pushed(&self, modules: &[(&str, String, &str)]) -> Snapshot {
        let work = Work::new();
        work.write("own", "own");
        add_modules(&work, modules);
        work.put(&self.here, &self.app, "main");
        self.here.snapshot(&self.app, "main").await
    }

    async fn fetch(&self, snapshot: Snapshot) -> (Result<Snapshot, SubmoduleError>, Vec<String>) {
        let (progress, mut lines) = mpsc::channel(16);
        let result = Submodules::new(self.here.repositories.clone()).add_to(snapshot, &progress).await;
        drop(progress);
        let mut told = Vec::new();
        while let Some(line) = lines.recv().await {
            told.push(line);
        }
        (result, told)
    }
}

fn add_modules(work: &Work, modules: &[(&str, String, &str)]) -> String {
    let section = |(path, url, _): &(&str, String, &str)| {
        format!("[submodule \"the {path}.path\"]\n\tpath = {path}\n\turl = {url}\n")
    };
    let file: String = modules.iter().filter(|(_, url, _)| !url.is_empty()).map(section).collect();
    if !file.is_empty() {
        work.write(".gitmodules", file);
    }
    work.git(&["add", "--all"]);
    for (path, _, commit) in modules {
        work.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    }
    work.git(&["commit", "--quiet", "-m", "modules"]);
    work.git(&["rev-parse", "HEAD"]).trim().to_owned()
}

async fn names(snapshot: &Snapshot) -> Vec<String> {
    use futures_util::StreamExt;
    let mut stream = snapshot.context(ContextRequest::default()).stream;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    let mut archive = tar::Archive::new(bytes.as_slice());
    archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_and_theirs_are_part_of_the_snapshot() {
    let bench = Bench::new().await;
    let inner = bench.library("inner", &[("deep", "3")]).await;
    let outer = {
        let app = bench.elsewhere.app("outer").await;
        let work = Work::new();
        work.write("file", "2");
        let commit = add_modules(&work, &[("nested/inner", "../inner".to_owned(), &inner)]);
        work.put(&bench.elsewhere, &app, "main");
        commit
    };
    let url = format!("{}/outer", bench.server.url);
    let snapshot = bench.pushed(&[("vendor/outer", url.clone(), &outer)]).await;
    let (snapshot, told) = bench.fetch(snapshot).await;
    let snapshot = snapshot.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], format!("Fetching submodule vendor/outer from {url}"));
    assert_eq!(
        names(&snapshot).await,
        [
            ".gitmodules",
            "own",
            "vendor/",
            "vendor/outer/",
            "vendor/outer/.gitmodules",
            "vendor/outer/file",
            "vendor/outer/nested/",
            "vendor/outer/nested/inner/",
            "vendor/outer/nested/inner/deep",
        ]
    );
    let deep = snapshot.read_file("vendor/outer/nested/inner/deep", 10).await.unwrap();
    assert_eq!(deep.unwrap(), b"3");
    // A build directory may lie in a submodule.
    let request =
        ContextRequest { subdirectory: "vendor/outer/nested".to_owned(), ..ContextRequest::default() };
    let mut context = snapshot.context(request);
    while futures_util::StreamExt::next(&mut context.stream).await.is_some() {}
    assert_eq!(context.summary.await.unwrap().files, 1);
    // What is there is not fetched again.
    let again = bench.here.snapshot(&bench.app, "main").await;
    let (again, told) = bench.fetch(again).await;
    assert!(again.is_ok() && told.is_empty(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_commit_is_had_from_a_plain_web_server() {
    let bench = Bench::new().await;
    let app = bench.elsewhere.app("library").await;
    let work = Work::new();
    work.write("file", "old");
    let old = work.commit("old");
    work.write("file", "new");
    work.commit("new");
    work.put(&bench.elsewhere, &app, "main");
    bench.elsewhere.bare(&app, &["update-server-info"]);
    let web = Server::files(bench.elsewhere.directory.path().join("repos")).await;
    let snapshot = bench.pushed(&[("library", format!("{}/library.git", web.url), &old)]).await;
    let (snapshot, _) = bench.fetch(snapshot).await;
    let content = snapshot.unwrap().read_file("library/file", 10).await.unwrap();
    assert_eq!(content.unwrap(), b"old");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_named_with_what_to_do() {
    let bench = Bench::new().await;
    let commit = bench.library("library", &[("a", "1")]).await;
    let url = format!("{}/library", bench.server.url);
    let missing = "1234567890123456789012345678901234567890";
    for (modules, expected) in [
        (("lib", url.clone(), missing), format!("submodule lib: cannot get commit {missing} from {url}")),
        (
            ("lib", "http://u:secret@127.0.0.1:1/x".to_owned(), commit.as_str()),
            "from http://***@127.0.0.1:1/x: check that the commit was pushed there".to_owned(),
        ),
        (("lib", "/srv/lib.git".to_owned(), commit.as_str()), "/srv/lib.git is not the URL".to_owned()),
        (("lib", "ext::sh -c id".to_owned(), commit.as_str()), "has no blanks".to_owned()),
        (("lib", "../lib.git".to_owned(), commit.as_str()), "../lib.git is relative to a server".to_owned()),
        (("a/lib", String::new(), commit.as_str()), "a/lib is a repository of its own".to_owned()),
    ] {
        let snapshot = bench.pushed(&[modules]).await;
        let error = bench.fetch(snapshot).await.0.unwrap_err();
        let mut chain = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(next) = cause {
            chain.push_str(&format!("\n{next}"));
            cause = next.source();
        }
        assert!(chain.contains(&expected) && !chain.contains("secret"), "{expected}: {chain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_submodules_needs_nothing() {
    let bench = Bench::new().await;
    let work = Work::new();
    work.write("a", "1");
    work.commit("first");
    work.put(&bench.here, &bench.app, "main");
    let snapshot = bench.here.snapshot(&bench.app, "main").await;
    let (snapshot, told) = bench.fetch(snapshot).await;
    assert!(snapshot.is_ok() && told.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deploys_may_want_the_same_submodule_at_once() {
    let bench = Bench::new().await;
    let commit = bench.library("library", &[("a", "1")]).await;
    let snapshot = bench.pushed(&[("lib", format!("{}/library", bench.server.url), &commit)]).await;
    let submodules = Submodules::new(bench.here.repositories.clone());
    let (progress, mut lines) = mpsc::channel(16);
    let fetched =
        futures_util::future::join_all((0..6).map(|_| submodules.add_to(snapshot.clone(), &progress))).await;
    drop(progress);
    assert!(fetched.iter().all(Result::is_ok), "{fetched:?}");
    assert!(lines.recv().await.is_some() && lines.recv().await.is_none());
}
