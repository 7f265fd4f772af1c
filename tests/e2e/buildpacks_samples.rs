//! Real apps without a Dockerfile, from `git push` to their URL, with the packages of the public registries.

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::samples;
use crate::harness::server::Server;

/// Pushes a sample, asks it, gives it a config var, pushes a change, and asks again. Gives what the two pushes said.
fn goes_live(server: &Server, ann: &Person, name: &str, language: &str) -> (String, String) {
    let (app, repo) = (names::unique(name), samples::repo(name));
    let first = repo.push(server, ann, &app).success().stderr;
    assert!(first.contains(&server.url(&app)), "{first}");
    let answer = server.get(&app, "/").text();
    assert!(answer.contains(language), "{answer}\n{first}");
    server.ssh(ann, &format!("config:set {app} GREETING=Moin")).success();
    let answer = server.get(&app, "/").text();
    assert!(answer.contains("Moin"), "{answer}");
    repo.write("CHANGED", "a change\n");
    repo.commit("A change");
    let second = repo.push(server, ann, &app).success().stderr;
    assert!(server.get(&app, "/").text().contains("Moin"), "{second}");
    (first, second)
}

#[test]
fn express_with_npm() {
    let (server, ann) = Server::with_person("ann");
    let (first, second) = goes_live(&server, &ann, "node-express", "Node.js");
    assert!(first.contains("Slug: ") && !first.contains("from the cache"), "{first}");
    // Node.js and the dependencies are in the cache and in a layer of the first image.
    assert!(second.contains("from the cache") && second.contains(" are new"), "{second}");
}

#[test]
fn flask_under_gunicorn() {
    let (server, ann) = Server::with_person("ann");
    goes_live(&server, &ann, "python-flask", "Python");
}

#[test]
fn django_with_migrations_and_static_files() {
    let (server, ann) = Server::with_person("ann");
    goes_live(&server, &ann, "python-django", "Python");
}

#[test]
fn sinatra_with_vendored_gems() {
    let (server, ann) = Server::with_person("ann");
    goes_live(&server, &ann, "ruby-sinatra", "Ruby");
}

#[test]
fn php_with_composer() {
    let (server, ann) = Server::with_person("ann");
    goes_live(&server, &ann, "php-composer", "PHP");
}

#[test]
fn go_with_modules() {
    let (server, ann) = Server::with_person("ann");
    goes_live(&server, &ann, "go-web", "Go");
}

#[test]
fn java_with_maven() {
    let (server, ann) = Server::with_person("ann");
    goes_live(&server, &ann, "java-web", "Java");
}

#[test]
fn a_directory_of_files() {
    let (server, ann) = Server::with_person("ann");
    let (app, repo) = (names::unique("files"), samples::repo("static"));
    let said = repo.push(&server, &ann, &app).success().stderr;
    let page = server.get(&app, "/");
    assert!(page.status == 200 && page.text().contains("<html"), "{said}");
    assert_eq!(server.get(&app, "/no/such/page").status, 404);
    a_container_by_hand_is_no_build(&app);
}

/// What a person makes of an app's image with the engine's own client does not look like a step of a build, which the
/// server would tidy away.
fn a_container_by_hand_is_no_build(app: &str) {
    let image = engine::get(&format!("/containers/{app}.web.1/json"))["Image"].clone();
    let labels = &engine::get(&format!("/images/{}/json", image.as_str().unwrap()))["Config"]["Labels"];
    assert_eq!((&labels["slipway.app"], &labels["slipway.kind"]), (&app.into(), &"".into()), "{labels}");
}

#[test]
fn rust_with_crates_of_the_registry() {
    let (server, ann) = Server::with_person("ann");
    goes_live(&server, &ann, "rust-web", "Rust");
}

#[test]
fn a_single_page_app_that_is_built_and_served_as_files() {
    let (server, ann) = Server::with_person("ann");
    let (app, repo) = (names::unique("spa"), samples::repo("node-spa"));
    let said = repo.push(&server, &ann, &app).success().stderr;
    let page = server.get(&app, "/");
    assert!(page.text().contains("<script"), "{said}");
    // What is no file is a place within the app.
    assert_eq!(server.get(&app, "/a/place/in/the/app").text(), page.text());
}
