//! Automatic certificates, from Let's Encrypt's own test authority.

use std::time::Duration;

use crate::harness::http::Connection;
use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::pebble::{EAB_KEY, Options, Pebble};
use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::{wait_for, wait_until};
use crate::harness::websocket::{TEXT, WebSocket};

const BOUND: Duration = Duration::from_secs(60);

/// A server and an authority that is chosen for all apps, and an app that was never deployed.
struct Scene {
    server: Server,
    pebble: Pebble,
    app: String,
}

impl Scene {
    fn new(options: Options) -> Self {
        let mut pebble = Pebble::prepare();
        let server = Server::start_with(&pebble.settings());
        pebble.start(&server, options);
        let app = names::unique("acme");
        server.command(&["apps:create", &app]).success();
        let scene = Self { server, pebble, app };
        scene.set_global("server", &scene.pebble.directory_url());
        // The names are in the authority's own DNS only.
        scene.set_global("check", "false");
        scene
    }

    fn set_global(&self, key: &str, value: &str) {
        self.server.command(&["letsencrypt:set", "--global", key, value]).success();
    }

    fn set(&self, key: &str, value: &str) {
        self.server.command(&["letsencrypt:set", &self.app, key, value]).success();
    }

    /// A name of the app.
    fn name(&self, label: &str) -> String {
        format!("{label}.{}.test", self.app)
    }

    fn add(&self, name: &str) {
        self.server.command(&["domains:add", &self.app, name]).success();
    }

    fn enable(&self) -> Output {
        self.server.command(&["letsencrypt:enable", &self.app])
    }

    fn report(&self, key: &str) -> String {
        let flag = format!("--letsencrypt-{key}");
        self.server.command(&["letsencrypt:report", &self.app, &flag]).success().stdout.trim().to_owned()
    }

    /// Whether a client that trusts the authority gets an encrypted connection for a name.
    fn is_served(&self, name: &str) -> bool {
        self.pebble.trust().connect(self.server.https_address().unwrap(), name).is_ok()
    }
}

#[test]
fn a_certificate_comes_by_http_and_further_names_join_it_by_themselves() {
    let scene = Scene::new(Options::default());
    let (first, second) = (scene.name("www"), scene.name("shop"));
    scene.add(&first);
    assert!(!scene.is_served(&first));
    let said = scene.enable().success().stdout;
    assert!(said.contains(&format!("Ordering a certificate for {first}")), "{said}");
    assert!(said.contains(&format!("Proving {first} by http-01")), "{said}");
    assert!(scene.is_served(&first));
    assert!(!scene.is_served(&second));
    let active = scene.server.command(&["letsencrypt:active", &scene.app]).success();
    assert_eq!(active.stdout, "true\n");

    scene.add(&second);
    wait_until("the new name has a certificate, too", BOUND, || scene.is_served(&second));
    assert!(scene.is_served(&first));
    assert_eq!(scene.report("missing"), "");

    // A name that is gone is in no further certificate, and needs none of its own.
    scene.server.command(&["domains:remove", &scene.app, &first]).success();
    let said = scene.server.command(&["letsencrypt:auto-renew", &scene.app]).success().stdout;
    assert!(said.contains("needs nothing yet"), "{said}");
    scene.server.command(&["letsencrypt:enable", "--force", &scene.app]).success();
    assert_eq!(scene.report("names"), second);

    let log = scene.server.command(&["logs", &scene.app]).success().stdout;
    assert!(log.contains("It is in force, and valid until"), "{log}");
    scene.server.command(&["letsencrypt:disable", &scene.app]).success();
    assert!(!scene.is_served(&second));
    assert_eq!(scene.server.command(&["letsencrypt:active", &scene.app]).exits_with(1).stdout, "false\n");
}

#[test]
fn a_certificate_comes_over_tls_where_port_80_is_not_ours() {
    let scene = Scene::new(Options::default());
    scene.add(&scene.name("www"));
    scene.set("challenge", "tls");
    scene.set("key-type", "rsa");
    let said = scene.enable().success().stdout;
    assert!(said.contains("by tls-alpn-01"), "{said}");
    assert!(scene.is_served(&scene.name("www")));
}

#[test]
fn a_wildcard_is_proven_by_records_and_by_nothing_else() {
    let scene = Scene::new(Options::default());
    let (wildcard, base) = (scene.name("*"), format!("{}.test", scene.app));
    scene.add(&wildcard);
    scene.set("challenge", "http");
    let refused = scene.enable().exits_with(1).stderr;
    assert!(refused.contains(&format!("{wildcard} is a wildcard, which needs DNS-01")), "{refused}");

    // Else it would come by itself, as soon as it can.
    scene.server.command(&["certs:auto", &scene.app, "off"]).success();
    scene.set("challenge", "dns");
    scene.add(&base);
    let said = scene.enable().success().stdout;
    assert!(said.contains(&format!("Proving {base} by dns-01")), "{said}");
    for name in [&scene.name("any"), &scene.name("other"), &base] {
        assert!(scene.is_served(name), "{name}");
    }
    let calls = scene.pebble.hook_calls();
    let record = format!("_acme-challenge.{base} ");
    assert_eq!(calls.matches(&format!("present {record}")).count(), 2, "{calls}");
    assert_eq!(calls.matches(&format!("cleanup {record}")).count(), 2, "{calls}");
}

#[test]
fn an_account_may_have_to_be_bound_to_another() {
    let scene = Scene::new(Options { binding: true, ..Options::default() });
    scene.add(&scene.name("www"));
    let refused = scene.enable().exits_with(1).stderr;
    assert!(refused.contains("externalAccountRequired"), "{refused}");
    assert!(refused.contains("letsencrypt:set APP|--global eab-key-id"), "{refused}");

    let (id, key) = EAB_KEY;
    scene.set_global("eab-key-id", id);
    let refused = scene.enable().exits_with(1).stderr;
    assert!(refused.contains("eab-hmac-key is not"), "{refused}");
    let words = ["letsencrypt:set", "--global", "eab-hmac-key", "-"];
    scene.server.command_with_input(&words, format!("{key}\n").as_bytes()).success();
    scene.enable().success();
    assert!(scene.is_served(&scene.name("www")));
    let database = std::fs::read(scene.server.root().join("slipway.db")).unwrap();
    let wal = std::fs::read(scene.server.root().join("slipway.db-wal")).unwrap_or_default();
    let holds = |bytes: &[u8]| bytes.windows(key.len()).any(|window| window == key.as_bytes());
    assert!(!holds(&database) && !holds(&wal), "the key stands open in the database");
}

#[test]
fn twenty_renewals_under_load_fail_no_request_and_cut_nothing() {
    const RENEWALS: usize = 20;
    let scene = Scene::new(Options { validity: Some(60), ..Options::default() });
    let (server, app, name) = (&scene.server, scene.app.as_str(), scene.name("www"));
    let alice = Person::new("alice");
    server.add_key(&alice);
    torture::repo().push(server, &alice, app).success();
    scene.add(&name);
    // Renewed by itself a few seconds after it came, nearly a minute before its end.
    scene.set("graceperiod", "55");
    scene.enable().success();

    let (trust, address) = (scene.pebble.trust(), server.https_address().unwrap());
    let mut chat =
        WebSocket::over(Connection::over(trust.connect(address, &name).unwrap()), &name, "/ws").unwrap();
    let load = Load::new()
        .over_tls(&trust)
        .of_host(&name)
        .get(server, app, "/", (Connections::KeepAlive, 1))
        .get(server, app, "/", (Connections::New, 2));
    let mut seen: Vec<String> = Vec::new();
    wait_until("the certificate is renewed again and again", BOUND * 2, || {
        let shown = trust.shown(address, &name);
        if seen.last() != Some(&shown) {
            seen.push(shown);
        }
        seen.len() > RENEWALS
    });
    let report = load.stop();
    report.assert_flawless();
    chat.send(TEXT, b"still there?").unwrap();
    assert_eq!(chat.receive().unwrap().payload, b"still there?");
    assert_eq!(scene.report("failures"), "0");
    eprintln!("{RENEWALS} renewals: 0 of {} requests failed", report.answered);
}

#[test]
fn an_authority_that_is_gone_leaves_what_was_there_and_is_asked_again_later() {
    let mut scene = Scene::new(Options::default());
    let name = scene.name("www");
    scene.add(&name);
    scene.enable().success();
    let trust = scene.pebble.trust();
    let address = scene.server.https_address().unwrap();
    let before = trust.shown(address, &name);

    scene.pebble.stop();
    let failed = scene.server.command(&["letsencrypt:enable", "--force", &scene.app]).exits_with(1);
    assert!(failed.stderr.contains("the certificate authority cannot be reached"), "{failed}");
    assert!(failed.stderr.contains("It is tried again by itself, next at "), "{failed}");
    // A name that is added meanwhile is tried at once, and then no more for a while.
    scene.add(&scene.name("shop"));
    wait_until("the second failure is noted", BOUND, || scene.report("failures") == "2");
    let next: jiff::Timestamp = scene.report("next").parse().unwrap();
    let pause = next.as_second() - jiff::Timestamp::now().as_second();
    assert!((500..700).contains(&pause), "it is tried again in {pause} s");
    assert_eq!(trust.shown(address, &name), before);
    assert!(scene.report("last-error").contains("cannot be reached"));
    let report = scene.server.command(&["certs:report", &scene.app]).success().stdout;
    assert!(report.contains("cannot be reached"), "{report}");
    let log = scene.server.command(&["logs", &scene.app]).success().stdout;
    assert!(log.contains("No certificate: "), "{log}");
    let doctor = scene.server.command(&["doctor", "--format", "json"]).json();
    let findings = doctor.as_array().unwrap();
    let finding = findings.iter().find(|found| found["check"] == "automatic certificates").unwrap();
    assert_eq!((&finding["state"], &finding["place"]), (&"problem".into(), &scene.app.as_str().into()));

    // It comes back with another key, and knows no account any more.
    scene.pebble.start(&scene.server, Options::default());
    scene.server.restart();
    scene.server.command(&["letsencrypt:auto-renew", &scene.app]).success();
    assert_eq!((scene.report("failures"), scene.report("last-error")), ("0".to_owned(), String::new()));
    assert!(scene.is_served(&scene.name("shop")));
}

#[test]
fn a_name_that_leads_elsewhere_is_told_before_the_authority_is_asked() {
    let scene = Scene::new(Options::default());
    scene.server.command(&["letsencrypt:set", "--global", "check"]).success();
    let name = scene.name("www");
    scene.add(&name);
    let refused = scene.enable().exits_with(1).stderr;
    assert!(refused.contains(&format!("{name} does not resolve: ")), "{refused}");
    assert!(refused.contains("--no-check"), "{refused}");
    assert!(!scene.pebble.log().contains("new-order"), "{}", scene.pebble.log());
    let said = scene.server.command(&["letsencrypt:enable", "--no-check", &scene.app]).success().stdout;
    assert!(said.contains("It is in force"), "{said}");
    assert!(scene.is_served(&name));
}

#[test]
fn an_authority_that_sees_another_server_says_so_in_full() {
    let scene = Scene::new(Options::default());
    let name = scene.name("www");
    scene.add(&name);
    // An address of this machine at which nobody listens.
    scene.pebble.set_address(&name, "127.0.0.77");
    let refused = scene.enable().exits_with(1).stderr;
    assert!(refused.contains(&format!("could not verify {name}: ")), "{refused}");
    assert!(refused.contains("ports 80 and 443"), "{refused}");
    assert_eq!(scene.report("active"), "false");
}

#[test]
fn all_apps_and_those_to_come_have_certificates_until_they_are_revoked() {
    let scene = Scene::new(Options::default());
    let said = scene.server.command(&["certs:auto", "--all", "on"]).success().stdout;
    assert!(said.contains("Automatic certificates are on for all apps"), "{said}");
    let name = scene.name("www");
    scene.add(&name);
    wait_until("the app has a certificate", BOUND, || scene.is_served(&name));
    let list = scene.server.command(&["letsencrypt:list"]).success().stdout;
    assert!(list.lines().any(|line| line.starts_with(&scene.app)), "{list}");

    // Another authority is another certificate.
    scene.server.command(&["certs:auto", &scene.app, "off"]).success();
    assert!(!scene.is_served(&name));
    scene.server.command(&["certs:auto", &scene.app, "on"]).success();
    let serial = scene.pebble.trust().serial(scene.server.https_address().unwrap(), &name);
    scene.server.command(&["letsencrypt:revoke", &scene.app]).success();
    let status = scene.pebble.manage(&format!("/cert-status-by-serial/{serial}")).text();
    assert!(status.contains("\"Revoked\""), "{status}");
    assert!(!scene.is_served(&name));
    assert_eq!(scene.report("autorenew"), "false");
    let again = scene.server.command(&["letsencrypt:revoke", &scene.app]).exits_with(1).stderr;
    assert!(again.contains("has no automatic certificate"), "{again}");
}

#[test]
fn what_cannot_be_set_is_refused_and_changes_nothing() {
    let server = Server::start();
    for (words, said) in [
        (vec!["server", "http://ca.example/dir"], "https address of an ACME directory"),
        (vec!["email", "me"], "me@example.com"),
        (vec!["challenge", "mail"], "auto, http, tls or dns"),
        (vec!["graceperiod", "30d"], "2592000"),
        (vec!["eab-hmac-key", "not base64!"], "as the authority's site shows it"),
        (vec!["dns-provider", "cloudflare"], "[acme] dns-hook"),
        (vec!["lego-docker-args", "A=B"], "nothing to set"),
        (vec!["colour", "blue"], "valid properties include: server, email, challenge"),
    ] {
        let words = [&["letsencrypt:set", "--global"], words.as_slice()].concat();
        let refused = server.command(&words).exits_with(1).stderr;
        assert!(refused.contains(said), "{words:?}: {refused}");
    }
    let app = names::unique("plain");
    server.command(&["apps:create", &app]).success();
    let flag = "--letsencrypt-computed-server";
    let computed = server.command(&["letsencrypt:report", &app, flag]).success().stdout;
    assert_eq!(computed, "default\n");
    let refused = server.command(&["letsencrypt:enable", &app]).exits_with(1).stderr;
    assert!(refused.contains("is no name of the public DNS"), "{refused}");
    let refused = server.command(&["certs:auto", &app, "maybe"]).exits_with(1).stderr;
    assert!(refused.contains("certs:auto --all on"), "{refused}");
    wait_for("the reconciler has not tried again and again", BOUND, || {
        let log = server.log();
        (log.matches("no automatic certificate").count() < 2).then_some(())
    });
}
