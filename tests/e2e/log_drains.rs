//! Drains: an app's log on its way to other hosts, which may be encrypted, slow or down.

use std::fs;
use std::time::Duration;

use crate::harness::log_host::{LogHost, Protocol};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::tls::Authority;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const SOON: Duration = Duration::from_secs(60);

fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("drains");
    torture::repo().push(&server, &alice, &app).success();
    (server, alice, app)
}

fn print(server: &Server, app: &str, word: &str, lines: u32) {
    assert_eq!(server.get(app, &format!("/print?word={word}&n={lines}")).status, 200);
}

#[test]
fn lines_reach_hosts_of_each_kind() {
    let (server, alice, app) = deployed();
    let authority = Authority::new();
    let pair = authority.pair("localhost", 2096);
    let plain = LogHost::start(Protocol::Syslog, None);
    let encrypted = LogHost::start(Protocol::Syslog, Some(&pair));
    let web = LogHost::start(Protocol::Http, None);
    let secure_web = LogHost::start(Protocol::Http, Some(&pair));
    let add = |url: &str| server.ssh(&alice, &format!("drains:add {app} {url}"));
    let add_with_authority = |url: &str| {
        let pem = authority.certificate_pem();
        server.ssh_with_input(&alice, &format!("drains:add --ca {app} {url}"), pem.as_bytes()).success();
    };
    // The line of a request may come after what the app prints for it.
    server.ssh(&alice, &format!("router:set {app} access-log off")).success();
    print(&server, &app, "before", 1);
    add(&format!("syslog://127.0.0.1:{}", plain.port())).success();
    add(&format!("http://ann:s3cret@127.0.0.1:{}/token/t0ken?k=v", web.port())).success();
    add_with_authority(&format!("syslog+tls://localhost:{}", encrypted.port()));
    add_with_authority(&format!("https://localhost:{}/", secure_web.port()));
    print(&server, &app, "caf%C3%A9", 3);

    for host in [&plain, &encrypted, &web, &secure_web] {
        host.wait_for("café 3", SOON);
        let got = host.text();
        assert!(got.contains("café 1") && got.contains("café 2") && !got.contains("before"), "{got}");
    }
    let message = plain.wait_for("café 1", SOON);
    assert!(
        message.starts_with("<14>1 20") && message.contains(&format!(" {app} web.1 app - café 1")),
        "{message}"
    );
    let object: serde_json::Value = serde_json::from_str(&web.wait_for("café 1", SOON)).unwrap();
    assert_eq!((&object["app"], &object["process"]), (&app.as_str().into(), &"web.1".into()));
    let heads = web.heads();
    assert!(heads.starts_with("POST /token/t0ken?k=v HTTP/1.1\r\n"), "{heads}");
    assert!(heads.to_lowercase().contains("authorization: basic yw5uonmzy3jlda=="), "{heads}");

    // What is secret is shown nowhere.
    let list = server.ssh(&alice, &format!("drains:list {app}")).success();
    assert!(list.stdout.contains(&format!("http://127.0.0.1:{}/…", web.port())), "{list}");
    let json = server.ssh(&alice, &format!("drains:list {app} --format json")).success();
    assert_eq!(json.json().as_array().unwrap().len(), 4);
    assert!(json.json().as_array().unwrap().iter().all(|row| row["state"] == "up"), "{json}");
    let everything = format!("{list}{json}{}", server.log());
    assert!(!everything.contains("s3cret") && !everything.contains("t0ken"), "a drain's secrets are shown");
    for file in ["slipway.db", "slipway.db-wal"] {
        let bytes = fs::read(server.root().join(file)).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"s3cret"), "{file} holds a password as it is");
    }

    // Without its authority a host is not trusted; what is wrong is said.
    server.ssh(&alice, &format!("drains:remove {app} https://localhost:{}/", secure_web.port())).success();
    add(&format!("https://localhost:{}/", secure_web.port())).success();
    print(&server, &app, "untrusted", 1);
    wait_until("the drain is down", SOON, || {
        server.ssh(&alice, &format!("drains:list {app}")).success().stdout.contains("down: ")
    });
    assert!(!secure_web.text().contains("untrusted"));
}

#[test]
fn a_host_that_was_down_gets_all_that_is_still_there_and_a_count_of_the_rest() {
    let (mut server, alice, app) = deployed();
    let host = LogHost::start(Protocol::Syslog, None);
    let port = host.port();
    server.ssh(&alice, &format!("drains:add {app} syslog://127.0.0.1:{port}")).success();
    print(&server, &app, "first", 1);
    host.wait_for("first 1", SOON);
    host.stop();

    print(&server, &app, "meanwhile", 500);
    let logs = |words: &str| server.ssh(&alice, &format!("logs {app} {words}")).success().stdout;
    wait_until("the log says that it is down", SOON, || {
        logs("").contains("cannot send to syslog://127.0.0.1")
    });
    assert_eq!(logs("-n 100000").matches("cannot send to").count(), 1, "it is told more than once");
    // The log outgrows its ring, and the server is restarted.
    server.ssh(&alice, &format!("logs:set {app} max-size 64k")).success();
    print(&server, &app, "flood", 3000);
    server.restart();
    print(&server, &app, "last", 1);

    let host = LogHost::start_on(port, Protocol::Syslog, None);
    host.wait_for("last 1", SOON);
    let got = host.text();
    assert!(got.contains("flood 3000") && !got.contains("flood 1\n"), "{got}");
    let told = || -> u64 {
        let text = host.text();
        let counts = text.split("dropped ").skip(1).map(|rest| rest.split(' ').next().unwrap());
        counts.map(|count| count.parse::<u64>().unwrap()).sum()
    };
    assert!(told() > 1000 && told() < 4000, "{}", told());
    wait_until("the list says so", SOON, || {
        let counted = told();
        let list = server.ssh(&alice, &format!("drains:list {app} --format json")).success().json();
        list[0]["dropped"].as_u64() == Some(counted) && list[0]["state"] == "up"
    });
}

#[test]
fn a_host_that_takes_nothing_holds_up_neither_the_app_nor_other_drains() {
    let (server, alice, app) = deployed();
    let stuck = LogHost::start(Protocol::Stuck, None);
    let host = LogHost::start(Protocol::Http, None);
    server.ssh(&alice, &format!("drains:add {app} syslog://127.0.0.1:{}", stuck.port())).success();
    server.ssh(&alice, &format!("drains:add {app} http://127.0.0.1:{}/", host.port())).success();
    // More than what sockets hold.
    print(&server, &app, "much", 60_000);
    host.wait_for("much 60000", SOON);
    let list = server.ssh(&alice, &format!("drains:list {app} --format json")).success().json();
    assert!(list[0]["behind"].as_u64().unwrap() > 1000, "{list}");
    assert_eq!(server.get(&app, "/").text(), "torture\n");
    // Nor does it hold up the end of the server.
    server.ssh(&alice, &format!("drains:remove {app} {}", list[0]["id"])).success();
}

#[test]
fn what_cannot_be_a_drain_is_refused() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("drains");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    for (words, message) in [
        (format!("drains:add {app} logs.example.com"), "that is not a URL"),
        (format!("drains:add {app} ftp://user:s3cret@host/"), "ftp:// is not known"),
        (format!("drains:add {app} syslog://host"), "names no port"),
        (format!("drains:add --ca {app} syslog://host:514"), "not encrypted"),
        (format!("drains:add --ca {app} https://host/"), "holds no certificate"),
        (format!("drains:remove {app} https://u:s3cret@host/"), "has no such drain"),
    ] {
        let refused = server.ssh(&alice, &words).exits_with(1);
        assert!(refused.stderr.contains(message) && !refused.stderr.contains("s3cret"), "{refused}");
    }
    server.ssh(&alice, &format!("drains:add {app} https://host/a")).success();
    server.ssh(&alice, &format!("drains:add {app} https://host/a")).exits_with(1);
    assert_eq!(
        server
            .ssh(&alice, &format!("drains:list {app} --format json"))
            .success()
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    server.ssh(&alice, &format!("apps:destroy --force {app}")).success();
}
