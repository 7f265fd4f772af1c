//! `git:sync`: fetching from another server without moving a branch.

use slipway::git::fetch::{FetchError, RemoteUrl};
use slipway::model::app_name::AppName;

use super::server::Server;
use super::support::{Root, Work};

struct Bench {
    here: Root,
    app: AppName,
    /// Keeps the other server and its files alive.
    _elsewhere: (Root, Server),
    url: RemoteUrl,
    first: String,
    second: String,
}

impl Bench {
    async fn new() -> Self {
        let elsewhere = Root::new().await;
        let source = elsewhere.app("source").await;
        let work = Work::new();
        work.write("a", "1");
        let first = work.commit("first");
        work.git(&["tag", "-a", "v1", "-m", "annotated"]);
        work.write("a", "2");
        let second = work.commit("second");
        work.put(&elsewhere, &source, "refs/*:refs/*");
        let server = Server::git(elsewhere.repositories.clone(), 0).await;
        let url = format!("{}/source", server.url).parse().unwrap();
        let here = Root::new().await;
        let app = here.app("blog").await;
        Self { here, app, _elsewhere: (elsewhere, server), url, first, second }
    }

    async fn fetch(&self, reference: Option<&str>) -> Result<String, FetchError> {
        let commit = self.here.repositories.fetch(&self.app, &self.url, reference).await;
        commit.map(|commit| commit.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_tags_and_commits_are_fetched_and_no_branch_moves() {
    let bench = Bench::new().await;
    assert_eq!(bench.fetch(None).await.unwrap(), bench.second);
    for (reference, commit) in [
        ("main", &bench.second),
        ("refs/heads/main", &bench.second),
        ("v1", &bench.first),
        (bench.first.as_str(), &bench.first),
        (&bench.first[..8], &bench.first),
    ] {
        assert_eq!(&bench.fetch(Some(reference)).await.unwrap(), commit, "{reference}");
    }
    assert_eq!(bench.here.bare(&bench.app, &["for-each-ref", "refs/heads", "refs/tags"]), "");
    let commit = bench.first.parse().unwrap();
    bench.here.repositories.update_ref(&bench.app, "main", &commit).await.unwrap();
    let snapshot = bench.here.snapshot(&bench.app, "main").await;
    assert_eq!(snapshot.read_file("a", 10).await.unwrap().unwrap(), b"1");
    assert_eq!(bench.here.bare(&bench.app, &["rev-parse", "--is-shallow-repository"]), "false\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_apart_from_what_cannot_be_reached() {
    let bench = Bench::new().await;
    let error = bench.fetch(Some("nothing")).await.unwrap_err();
    assert!(matches!(error, FetchError::Missing { .. }), "{error:?}");
    let error = bench.fetch(Some("1234567")).await.unwrap_err();
    assert!(matches!(error, FetchError::Missing { .. }), "{error:?}");
    let error = bench.fetch(Some("--upload-pack=id")).await.unwrap_err();
    assert!(matches!(error, FetchError::Reference(_)), "{error:?}");
    let url = "http://user:secret@127.0.0.1:1/x".parse().unwrap();
    let error = bench.here.repositories.fetch(&bench.app, &url, None).await.unwrap_err();
    assert!(matches!(error, FetchError::Remote { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("secret") && text.contains("127.0.0.1"), "{text}");
}
