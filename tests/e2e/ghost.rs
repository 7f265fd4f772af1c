//! A whole product on a service: Ghost, the blog, from its npm package. Takes long, so somebody has to ask for it:
//! `tests/run ghost`.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::http::Response;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::wait::wait_until;

/// The version of Ghost, a release of 2026.
const GHOST: &str = "ghost@6.65.0";
/// Tells Ghost in its own words where its database is.
const START: &str = r#"const url = new URL(process.env.DATABASE_URL);
Object.assign(process.env, {
  database__client: "mysql",
  database__connection__host: url.hostname,
  database__connection__port: url.port,
  database__connection__user: url.username,
  database__connection__password: url.password,
  database__connection__database: url.pathname.slice(1),
  server__host: "0.0.0.0",
  server__port: process.env.PORT,
});
require("./index.js");
"#;
const PASSWORD: &str = "a very long passphrase 1";

/// Ghost as its publishers pack it, which is how it wants to be installed.
fn ghost() -> Repo {
    let repo = Repo::new();
    let pack = process::run(Command::new("npm").args(["pack", "--silent", GHOST]).current_dir(repo.path()));
    let archive = pack.success().stdout.trim().to_owned();
    let unpack = ["--extract", "--file", &archive, "--strip-components=1", "--no-same-owner"];
    process::run(Command::new("tar").args(unpack).current_dir(repo.path())).success();
    std::fs::remove_file(repo.path().join(archive)).unwrap();
    repo.write("start.js", START);
    repo.write("Procfile", "web: node start.js\n");
    repo.commit("Ghost");
    repo
}

/// Pushes it. Its packages are compiled where no compiled ones can be fetched, which takes longer than other commands of
/// tests may.
fn push(repo: &Repo, server: &Server, person: &Person, app: &str) {
    let mut push = repo.start_push(server, person, app);
    wait_until("Ghost is installed", Duration::from_secs(30 * 60), || {
        push.has_said("Application deployed") || push.has_said("failed to push")
    });
    push.success();
}

/// Whoever writes the blog.
struct Author<'a> {
    server: &'a Server,
    app: &'a str,
    cookie: String,
}

impl Author<'_> {
    fn post(&mut self, path: &str, body: &Value) -> Response {
        let body = body.to_string();
        let host = self.server.host(self.app);
        let origin = self.server.url(self.app);
        let headers = format!(
            "POST /ghost/api/admin/{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: {}\r\n\
             Content-Type: application/json\r\nAccept-Version: v6.0\r\nContent-Length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        let mut connection = self.server.connect();
        connection.write(headers.as_bytes()).unwrap();
        let response = connection.read_response("POST").unwrap();
        assert!(response.status < 300, "{path}: {} {}", response.status, response.text());
        response
    }
}

fn run(server: &Server, person: &Person, line: &str) -> String {
    server.ssh(person, line).success().stdout
}

fn assert_the_post_is_there(server: &Server, app: &str) {
    wait_until("the post is read", Duration::from_secs(60), || {
        let page = server.get(app, "/kept-over-everything/");
        page.status == 200 && page.text().contains("These words must not be lost.")
    });
}

#[test]
fn ghost_on_demand_keeps_a_post_over_deploys_scaling_and_the_loss_of_its_database() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("ghost");
    let backups = tempfile::tempdir().unwrap();
    let destination = backups.path().display().to_string();
    run(&server, &alice, &format!("apps:create {app}"));
    run(&server, &alice, "mysql:create blogdb");
    run(&server, &alice, &format!("mysql:link blogdb {app}"));
    let url = server.url(&app);
    let settings = format!("NODE_ENV=production url={url} security__staffDeviceVerification=false");
    run(&server, &alice, &format!("config:set --no-restart {app} {settings}"));
    let repo = ghost();
    push(&repo, &server, &alice, &app);

    let mut author = Author { server: &server, app: &app, cookie: String::new() };
    let person =
        json!({"name": "Alice", "email": "alice@example.com", "password": PASSWORD, "blogTitle": "Notes"});
    author.post("authentication/setup/", &json!({ "setup": [person] }));
    let session = author.post("session/", &json!({"username": "alice@example.com", "password": PASSWORD}));
    author.cookie = session.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let post = json!({
        "title": "Kept over everything", "slug": "kept-over-everything", "status": "published",
        "html": "<p>These words must not be lost.</p>",
    });
    author.post("posts/?source=html", &json!({ "posts": [post] }));
    assert_the_post_is_there(&server, &app);

    repo.write("MARK", "another commit");
    repo.commit("Nothing new");
    push(&repo, &server, &alice, &app);
    run(&server, &alice, &format!("ps:scale {app} web=2"));
    assert_the_post_is_there(&server, &app);

    run(&server, &alice, &format!("mysql:backup blogdb {destination}"));
    run(&server, &alice, &format!("ps:stop {app}"));
    run(&server, &alice, &format!("mysql:unlink --no-restart blogdb {app}"));
    run(&server, &alice, "mysql:destroy --no-backup --force blogdb");
    run(&server, &alice, &format!("mysql:restore --from {destination} blogdb"));
    run(&server, &alice, &format!("mysql:link blogdb {app}"));
    run(&server, &alice, &format!("ps:start {app}"));
    assert_the_post_is_there(&server, &app);
}
