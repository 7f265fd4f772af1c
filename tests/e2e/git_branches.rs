//! Which push is deployed: the deploy branch, other branches, tags, deletions, force.

use crate::harness::names;
use crate::harness::process::Output;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;

/// What the server said in a push that it has to refuse.
#[track_caller]
fn refusal(push: Output) -> String {
    assert_ne!(push.code, 0, "the push was taken:\n{push}");
    assert!(push.stderr.contains("[remote rejected]"), "git was not told so:\n{push}");
    push.remote_lines().join("\n")
}

#[track_caller]
fn runs_version(server: &Server, app: &str, version: &str) {
    let instance = server.get(app, "/instance").text();
    assert!(instance.contains(&format!("\nversion {version}\n")), "not version {version}:\n{instance}");
}

#[test]
fn the_first_branch_is_deployed_and_others_are_refused_with_what_to_do() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let report = server.ssh(&alice, &format!("git:report {app} --git-deploy-branch")).success();
    assert_eq!(report.stdout.trim(), "main");

    repo.git(&["switch", "-q", "-c", "feature"]).success();
    torture::commit_version(&repo, "2");
    // A refused push leaves nothing behind, so it is refused again and not "up to date".
    for _ in 1..=2 {
        let said = refusal(repo.push_with(&server, &alice, &app, &["feature"]));
        assert!(said.contains("feature:main") && said.contains("deploy-branch feature"), "{said}");
    }
    assert!(!repo.ls_remote(&server, &alice, &app).contains("feature"));
    runs_version(&server, &app, "1");
    repo.push_with(&server, &alice, &app, &["feature:main"]).success();
    runs_version(&server, &app, "2");

    let before = server.get(&app, "/instance").text();
    let again = repo.push_with(&server, &alice, &app, &["feature:main"]).success();
    assert!(again.stderr.contains("Everything up-to-date"), "{again}");
    assert_eq!(server.get(&app, "/instance").text(), before);
    server.ssh(&alice, &format!("ps:rebuild {app}")).success();
    assert_ne!(server.get(&app, "/instance").text(), before);
    runs_version(&server, &app, "2");

    server.ssh(&alice, &format!("git:set {app} deploy-branch feature")).success();
    torture::commit_version(&repo, "3");
    repo.push_with(&server, &alice, &app, &["feature"]).success();
    runs_version(&server, &app, "3");
    let said = refusal(repo.push_with(&server, &alice, &app, &["feature^:refs/heads/other"]));
    assert!(said.contains("feature is deployed, and only other was pushed"), "{said}");
    server.ssh(&alice, &format!("git:set {app} deploy-branch a..b")).exits_with(1);
    // A clone checks out what is deployed.
    assert!(head(&repo.git_as(&alice, &["ls-remote", "--symref", &server.git_url(&app), "HEAD"]), "feature"));
}

fn head(listing: &Output, branch: &str) -> bool {
    listing.stdout.contains(&format!("ref: refs/heads/{branch}\tHEAD"))
}

#[test]
fn a_first_push_of_several_branches_is_deployed_if_it_is_clear_which() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    for branch in ["a", "b"] {
        repo.git(&["branch", branch]).success();
    }
    repo.git(&["tag", "v1"]).success();

    let said = refusal(repo.push_with(&server, &alice, &app, &["v1"]));
    assert!(said.contains("only the tag v1 was pushed"), "{said}");
    let said = refusal(repo.push_with(&server, &alice, &app, &["a", "b"]));
    assert!(said.contains("which of a, b") && said.contains("git push slipway a"), "{said}");
    assert_eq!(repo.ls_remote(&server, &alice, &app), "");

    // `main` has the name that everybody expects, and a tag may come along.
    repo.push_with(&server, &alice, &app, &["a", "main", "v1"]).success();
    runs_version(&server, &app, "1");
    let listing = repo.ls_remote(&server, &alice, &app);
    assert!(listing.contains("refs/heads/a\n") && listing.contains("refs/tags/v1\n"), "{listing}");

    let said = refusal(repo.push_with(&server, &alice, &app, &[":main"]));
    assert!(said.contains("main is the deploy branch and cannot be deleted"), "{said}");
    let before = server.get(&app, "/instance").text();
    repo.push_with(&server, &alice, &app, &[":a", ":v1"]).success();
    let listing = repo.ls_remote(&server, &alice, &app);
    assert!(!listing.contains("refs/heads/a\n") && !listing.contains("v1"), "{listing}");
    assert_eq!(server.get(&app, "/instance").text(), before);

    let said = refusal(repo.push_with(&server, &alice, &app, &["main:refs/notes/x"]));
    assert!(said.contains("neither a branch nor a tag"), "{said}");
}

#[test]
fn tags_are_deployed_when_they_are_meant_and_force_goes_back() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    let first = repo.git(&["rev-parse", "HEAD"]).success().stdout.trim().to_owned();
    torture::commit_version(&repo, "2");
    repo.git(&["tag", "-a", "-m", "Two", "v2"]).success();
    repo.push_with(&server, &alice, &app, &["main", "--follow-tags"]).success();
    runs_version(&server, &app, "2");
    assert!(repo.ls_remote(&server, &alice, &app).contains("refs/tags/v2^{}\n"));

    torture::commit_version(&repo, "3");
    repo.git(&["tag", "-a", "-m", "Three", "v3"]).success();
    let said = refusal(repo.push_with(&server, &alice, &app, &["v3"]));
    // The hint is to be believed.
    let hint = said.lines().find_map(|line| line.split_once("git push slipway ")).expect(&said).1.to_owned();
    repo.push_with(&server, &alice, &app, &[hint.trim()]).success();
    runs_version(&server, &app, "3");

    let stale = repo.push_with(&server, &alice, &app, &[&format!("{first}:main")]);
    assert!(stale.code != 0 && stale.stderr.contains("non-fast-forward"), "{stale}");
    repo.push_with(&server, &alice, &app, &["--force", &format!("{first}:main")]).success();
    runs_version(&server, &app, "1");

    server.ssh(&alice, &format!("git:set {app} deploy-branch v3")).success();
    let release = deployed_commit(&server, &alice, &app);
    assert_eq!(release, first);
    repo.push_with(&server, &alice, &app, &["v3"]).success();
    runs_version(&server, &app, "3");
    // The release has the commit, not the tag that leads to it.
    assert_eq!(deployed_commit(&server, &alice, &app), rev_parse(&repo, "v3^{commit}"));
}

fn deployed_commit(server: &Server, person: &crate::harness::person::Person, app: &str) -> String {
    let report = server.ssh(person, &format!("git:report {app} --git-sha")).success();
    report.stdout.trim().to_owned()
}

fn rev_parse(repo: &Repo, name: &str) -> String {
    repo.git(&["rev-parse", name]).success().stdout.trim().to_owned()
}
