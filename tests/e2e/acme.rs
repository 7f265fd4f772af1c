//! Automatic certificates, from Let's Encrypt's own test authority.

use std::time::Duration;

use crate::harness::names;
use crate::harness::pebble::{EAB_KEY, Options, Pebble};
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::wait::wait_until;

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
