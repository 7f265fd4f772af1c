//! Making, moving and removing repositories.

use std::fs;

use slipway::git::error::GitError;

use super::support::{Root, Work, app};

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_made_whole_and_once() {
    let root = Root::new().await;
    let blog = app("blog");
    assert!(!root.repositories.exists(&blog).await);
    let made = futures_util::future::join_all((0..8).map(|_| root.repositories.create(&blog))).await;
    assert_eq!(made.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(made.iter().all(|result| matches!(result, Ok(()) | Err(GitError::Exists))), "{made:?}");
    assert!(root.repositories.exists(&blog).await);
    assert_eq!(root.bare(&blog, &["symbolic-ref", "HEAD"]), "refs/heads/main\n");
    assert_eq!(root.bare(&blog, &["rev-parse", "--is-bare-repository"]), "true\n");
    let left: Vec<_> = fs::read_dir(root.directory.path().join("repos")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_with_the_same_beginning_are_left_alone() {
    let root = Root::new().await;
    let (blog, staging) = (root.app("blog").await, root.app("blog-staging").await);
    root.repositories.remove(&blog).await.unwrap();
    assert!(!root.repositories.path(&blog).exists());
    assert!(root.repositories.exists(&staging).await);
    // There is nothing to remove, which is what was wanted.
    root.repositories.remove(&blog).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_needs_a_free_name_and_something_to_rename() {
    let root = Root::new().await;
    let (one, two) = (root.app("one").await, root.app("two").await);
    let work = Work::new();
    let commit = work.commit("first");
    work.put(&root, &one, "main");
    assert!(matches!(root.repositories.rename(&one, &two).await, Err(GitError::Exists)));
    root.repositories.rename(&one, &app("three")).await.unwrap();
    assert!(matches!(root.repositories.rename(&one, &app("four")).await, Err(GitError::Missing)));
    let found = root.repositories.resolve(&app("three"), "main").await.unwrap().unwrap();
    assert_eq!(found.as_str(), commit);
    assert!(matches!(root.repositories.resolve(&one, "main").await, Err(GitError::Missing)));
}

#[tokio::test(flavor = "multi_thread")]
async fn preparing_removes_leftovers_and_renews_the_hook() {
    let root = Root::new().await;
    let leftover = root.directory.path().join("repos/.new-crashed");
    fs::create_dir(&leftover).unwrap();
    let blog = root.app("blog").await;
    root.repositories.prepare("/new/slipway".as_ref()).await.unwrap();
    assert!(!leftover.exists());
    assert!(root.repositories.exists(&blog).await);
    let hook = fs::read_link(root.repositories.hooks().join("pre-receive")).unwrap();
    assert_eq!(hook.to_str(), Some("/new/slipway"));
    assert_eq!(fs::read_dir(root.repositories.hooks()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn references_are_resolved_updated_and_described() {
    let root = Root::new().await;
    let blog = root.app("blog").await;
    let work = Work::new();
    work.write("a", "1");
    let first = work.commit("The first\n\nwith a body");
    work.git(&["tag", "-a", "v1", "-m", "annotated"]);
    work.git(&["branch", "feature/x"]);
    work.write("a", "2");
    let second = work.commit("The second");
    work.put(&root, &blog, "refs/*:refs/*");

    let resolve = async |reference: &str| {
        root.repositories.resolve(&blog, reference).await.unwrap().map(|commit| commit.to_string())
    };
    assert_eq!(resolve("main").await.as_deref(), Some(second.as_str()));
    for reference in ["v1", "feature/x", "refs/tags/v1", &first, &first[..7]] {
        assert_eq!(resolve(reference).await.as_deref(), Some(first.as_str()), "{reference}");
    }
    for reference in ["", "nothing", "main~1", ":/The", "--all", "-", "0000000", "../x", &first[..6]] {
        assert_eq!(resolve(reference).await, None, "{reference}");
    }

    let commit = first.parse().unwrap();
    root.repositories.update_ref(&blog, "main", &commit).await.unwrap();
    assert_eq!(resolve("main").await.as_deref(), Some(first.as_str()));
    for branch in ["", "-x", "a..b", "a b", "/x"] {
        let refused = root.repositories.update_ref(&blog, branch, &commit).await;
        assert!(matches!(refused, Err(GitError::BranchName(_))), "{branch}");
    }
    root.repositories.set_head(&blog, "master").await.unwrap();
    assert_eq!(root.bare(&blog, &["symbolic-ref", "HEAD"]), "refs/heads/master\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_goes_and_what_is_referred_to_stays() {
    let root = Root::new().await;
    let blog = root.app("blog").await;
    let work = Work::new();
    work.write("a", "1");
    work.commit("first");
    work.put(&root, &blog, "main");
    root.repositories.collect_garbage_if_much(&blog).await.unwrap();
    assert!(root.bare(&blog, &["count-objects", "-v"]).contains("packs: 0\n"), "three objects are not much");
    root.repositories.collect_garbage(&blog).await.unwrap();
    let counted = root.bare(&blog, &["count-objects", "-v"]);
    assert!(counted.contains("count: 0\n") && counted.contains("packs: 1\n"), "{counted}");
    assert_eq!(root.snapshot(&blog, "main").await.read_file("a", 10).await.unwrap().unwrap(), b"1");
}
