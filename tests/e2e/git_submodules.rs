//! Submodules from a web server: fetched, kept, and named when they cannot be had.

use crate::harness::names;
use crate::harness::process::Output;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::web::{self, Web};

#[track_caller]
fn refusal(push: Output) -> String {
    assert_ne!(push.code, 0, "the push was taken:\n{push}");
    assert!(push.stderr.contains("[remote rejected]"), "git was not told so:\n{push}");
    push.remote_lines().join("\n")
}

#[test]
fn submodules_are_built_in_and_one_that_cannot_be_had_fails_the_push() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let web = Web::start();
    let inner = Repo::new();
    // A step that the engine has in its cache shows nothing.
    inner.write("word.txt", format!("from the inner one {}\n", names::never_used("word")));
    inner.commit("The inner one");
    web.publish("inner", &inner);
    let library = Repo::new();
    library.write("word.txt", "from the library\n");
    // Relative to where the library itself comes from.
    library.git(&["submodule", "add", "-q", &web.url("inner.git"), "inner"]).success();
    library.git(&["config", "-f", ".gitmodules", "submodule.inner.url", "../inner.git"]).success();
    library.commit("The library");
    let url = web.publish("library", &library);
    let repo = torture::repo();
    repo.git(&["submodule", "add", "-q", &url, "vendor/library"]).success();
    let dockerfile = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    let check = "COPY vendor /vendor\nRUN cat /vendor/library/word.txt /vendor/library/inner/word.txt\n";
    repo.write("Dockerfile", dockerfile + check);
    repo.commit("With a library");

    let said = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(said.contains("Fetching submodule vendor/library from http://"), "{said}");
    assert!(said.contains("from the library") && said.contains("from the inner one"), "{said}");
    torture::commit_version(&repo, "2");
    let said = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(!said.contains("Fetching submodule"), "it was there already:\n{said}");
    let before = server.get(&app, "/instance").text();

    let set_url = |url: &str| {
        repo.git(&["config", "-f", ".gitmodules", "submodule.vendor/library.url", url]).success();
        repo.commit("Another URL");
    };
    for (url, reason) in [
        (web::nobody().as_str(), "cannot get commit"),
        (web.url("missing.git").as_str(), "cannot get commit"),
        ("file:///srv/library.git", "is not the URL of a repository"),
        ("../library.git", "relative to a server that Slipway does not know"),
        ("ext::sh -c id", "URL"),
    ] {
        set_url(url);
        let said = refusal(repo.push(&server, &alice, &app));
        assert!(said.contains("submodule vendor/library") && said.contains(reason), "{url}:\n{said}");
        assert_eq!(server.get(&app, "/instance").text(), before);
    }
    set_url(&url);
    // A commit that was never pushed to where the library lies.
    let place = repo.path().join("vendor/library");
    let place = place.to_str().unwrap();
    repo.git(&["-C", place, "commit", "-q", "--allow-empty", "-m", "Only here"]).success();
    repo.commit("A commit that nobody else has");
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("check that the commit was pushed there"), "{said}");

    repo.git(&["-C", place, "reset", "-q", "--hard", "HEAD^"]).success();
    repo.write("clone/.keep", "");
    let clone = repo.path().join("clone");
    std::fs::remove_file(clone.join(".keep")).unwrap();
    repo.git(&["init", "-q", clone.to_str().unwrap()]).success();
    repo.git(&["-C", clone.to_str().unwrap(), "commit", "-q", "--allow-empty", "-m", "x"]).success();
    repo.commit("A clone that was added by mistake");
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("clone is a repository of its own"), "{said}");
    assert_eq!(server.get(&app, "/instance").text(), before);
}
