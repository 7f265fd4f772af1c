//! What a person sets about an app's requests, and what becomes of requests then. One server for many cases.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::http::{Connection, Response};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const SOON: Duration = Duration::from_secs(15);

struct Site {
    server: Server,
    alice: Person,
    app: String,
}

impl Site {
    fn deployed() -> Self {
        let server = Server::start_with("metrics-listen = \"127.0.0.1:0\"\n");
        let alice = Person::new("alice");
        server.add_key(&alice);
        let app = names::unique("routed");
        torture::repo().push(&server, &alice, &app).success();
        Self { server, alice, app }
    }

    /// Runs a command that has to succeed; `APP` stands for the app.
    fn run(&self, line: &str) -> String {
        self.server.ssh(&self.alice, &line.replace("APP", &self.app)).success().stdout
    }

    /// What a command that has to fail says.
    fn fails(&self, line: &str) -> String {
        self.server.ssh(&self.alice, &line.replace("APP", &self.app)).exits_with(1).stderr
    }

    fn ask(&self, method: &str, path: &str, header: Option<(&str, &str)>, body: &[u8]) -> Response {
        let host = self.server.host(&self.app);
        self.server.connect().request_with(method, &host, path, (header, body)).unwrap()
    }

    fn get(&self, path: &str) -> Response {
        self.ask("GET", path, None, b"")
    }

    #[track_caller]
    fn assert_refused(&self, answer: &Response, status: u16, code: &str) {
        assert_eq!((answer.status, answer.header("x-router-error")), (status, Some(code)), "{answer:?}");
    }
}

#[test]
fn nobody_is_sent_to_a_canonical_host_that_was_taken_away() {
    let site = Site::deployed();
    let www = format!("www.{}.example", site.app);
    site.run(&format!("domains:add APP {www}"));
    site.run(&format!("router:set APP canonical-host {www}"));
    assert_eq!(site.get("/").status, 301);

    let said = site.server.ssh(&site.alice, &format!("domains:remove {} {www}", site.app)).success();
    assert!(said.stderr.contains("its canonical-host has no effect"), "{said}");
    assert_eq!(site.get("/").status, 200);
    site.run(&format!("domains:add APP {www}"));
    assert_eq!(site.get("/").status, 301);
}

#[test]
fn limits_timeouts_and_headers_hold_from_the_next_request_on() {
    let site = Site::deployed();
    assert_eq!(site.ask("POST", "/upload", None, &[b'x'; 5000]).status, 200);
    site.run("router:set APP max-body-size 4k");
    site.assert_refused(&site.ask("POST", "/upload", None, &[b'x'; 5000]), 413, "body-too-large");
    assert_eq!(site.run("router:report APP --router-max-body-size"), "4k\n");
    site.run("nginx:set APP client-max-body-size 0");
    assert_eq!(site.ask("POST", "/upload", None, &[b'x'; 5000]).status, 200);
    assert_eq!(site.run("router:report APP --router-computed-max-body-size"), "none\n");

    site.run("router:set APP first-byte-timeout 200ms");
    site.assert_refused(&site.get("/sleep?ms=20000"), 504, "H12");
    site.run("router:set APP first-byte-timeout");
    assert_eq!(site.get("/sleep?ms=300").status, 200);

    site.run("router:set APP header:X-Frame-Options DENY");
    site.run("router:set --global header:x-frame-options SAMEORIGIN");
    assert_eq!(site.get("/").header("x-frame-options"), Some("DENY"));
    site.run("router:set APP header:X-Frame-Options");
    assert_eq!(site.get("/").header("x-frame-options"), Some("SAMEORIGIN"));

    site.run("router:set APP deny 127.0.0.0/8");
    site.assert_refused(&site.get("/"), 403, "address-denied");
    site.run("router:set APP deny");
    assert_eq!(site.get("/").status, 200);

    site.run("redirect:add APP /old/* /status/* 302");
    let moved = site.get("/old/204?a=b");
    assert_eq!((moved.status, moved.header("location").unwrap().ends_with("/status/204?a=b")), (302, true));
    assert!(site.run("router:explain http://APP.test.localhost/old/204").contains("302: sent to "));
    site.run("redirect:remove APP /old/*");
    assert_eq!(site.get("/old/204").status, 404);
    assert!(site.fails("redirect:add APP /a/* /a/b/*").contains("leads back to itself"));
    assert!(site.fails("redirect:add APP /a //evil.example").contains("is neither a path"));

    let said = site.fails("router:set APP first-byte-timeout soon");
    assert!(said.contains("soon is not a time") && said.contains("router:set APP"), "{said}");
    assert!(site.fails("router:set APP max-body 1m").contains("Valid properties: connect-timeout, "));
    assert!(site.fails("router:set APP canonical-host other.example").contains("domains:add"));
    assert!(site.fails("router:set APP header:Content-Length 3").contains("cannot be set"));
    assert!(site.fails("nginx:set APP nonsense 1").contains("Valid properties: access-log-format, "));
    let told =
        site.server.ssh(&site.alice, &format!("nginx:set {} proxy-buffer-size 8k", site.app)).success();
    assert!(told.stderr.contains("has no effect"), "{told}");
}

#[test]
fn passwords_maintenance_and_pages_stand_before_the_app() {
    let site = Site::deployed();
    let made = site.run("auth:add APP ann");
    let credentials = made.lines().find_map(|line| line.strip_prefix("ann:")).unwrap();
    site.assert_refused(&site.get("/"), 401, "unauthorized");
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let with = |text: &str| site.ask("GET", "/", Some(("Authorization", &basic(text))), b"");
    assert_eq!(with(&format!("ann:{credentials}")).status, 200);
    assert_eq!(with("ann:wrong").status, 401);
    assert!(site.fails("auth:remove APP ann").contains("auth:off"), "the app would be open");
    let input = site.server.ssh_with_input(
        &site.alice,
        &format!("http-auth:add-user {} bob -", site.app),
        b"s3cret\n",
    );
    input.success();
    assert_eq!(with("bob:s3cret").status, 200);
    assert!(!site.run("auth:report APP --format json").contains("s3cret"));
    let explained = site.run("router:explain http://APP.test.localhost");
    assert!(explained.contains("401: A name and a password are needed (unauthorized)"), "{explained}");
    site.run("auth:off APP");
    assert_eq!(site.get("/").status, 200);

    let printed = site.run("maintenance:on APP --retry-after 2m --bypass");
    let closed = site.get("/");
    site.assert_refused(&closed, 503, "H80");
    assert_eq!(closed.header("retry-after"), Some("120"));
    let line = printed.lines().find(|line| line.contains("maintenance-bypass=")).unwrap();
    let path = &line[line.find("/?").unwrap()..];
    let cookie = site.get(path).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(site.ask("GET", "/", Some(("Cookie", &cookie)), b"").status, 200);
    assert!(!site.run("maintenance:report APP").contains(path.rsplit('=').next().unwrap()));
    let page = format!("maintenance:page {}", site.app);
    site.server.ssh_with_input(&site.alice, &page, b"<p>Back at noon").success();
    assert_eq!(site.get("/").text(), "<p>Back at noon");
    site.run("maintenance:off APP");
    assert_eq!(site.get("/").status, 200);

    let page = format!("router:error-page {} any", site.app);
    site.server.ssh_with_input(&site.alice, &page, b"<p>{{status}} {{code}}").success();
    site.run("ps:stop APP");
    assert_eq!(site.get("/").text(), "<p>503 H14");
}

#[test]
fn a_path_of_a_host_may_be_another_app_s() {
    let site = Site::deployed();
    let second = names::unique("api");
    site.run(&format!("apps:create {second}"));
    let explained = site.run(&format!("router:explain http://{second}.test.localhost/"));
    assert!(explained.contains("503: Nothing was deployed to this app yet (H81)"), "{explained}");
    site.run("domains:add APP example.com");
    site.run(&format!("domains:add {second} example.com/api --strip"));
    let code = |path: &str| {
        let answer = site.server.connect().get("example.com", path).unwrap();
        (answer.status, answer.header("x-router-error").map(str::to_owned))
    };
    assert_eq!(code("/"), (200, None));
    assert_eq!(code("/api/x"), (503, Some("H81".to_owned())));
    assert_eq!(code("/apis"), (404, None));
    assert!(site.fails("domains:add APP example.com/api/").contains(&format!("leads to {second} already")));
    assert!(site.fails("domains:add APP example.com/../x").contains("is not a path"));
    assert!(site.run(&format!("domains:report {second}")).contains("example.com/api (stripped)"));
    let explained = site.run("router:explain http://example.com/api/x --format json");
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    assert_eq!((&explained["target"], &explained["code"]), (&"/x".into(), &"H81".into()));
    site.run(&format!("domains:remove {second} example.com/api"));
    assert_eq!(code("/api/x"), (404, None));

    let limited = Person::new("bob");
    site.server.add_key_with(&limited, &["--for", &second]);
    let taken = site.server.ssh(&limited, &format!("domains:add {second} example.com/mine")).exits_with(1);
    assert!(taken.stderr.contains("leads to another app already"), "{taken}");
    site.server.ssh(&limited, "router:explain http://example.com/").exits_with(1);
}

#[test]
fn requests_are_in_the_app_s_log_and_in_figures() {
    let site = Site::deployed();
    site.get("/status/418?mark=logfmt");
    let logs = || site.run("logs APP -p router");
    wait_until("the request is in the log", SOON, || logs().contains("mark=logfmt"));
    let line = logs().lines().find(|line| line.contains("mark=logfmt")).unwrap().to_owned();
    assert!(
        line.contains(" slipway[router]: at=info method=GET path=\"/status/418?mark=logfmt\" "),
        "{line}"
    );
    assert!(line.contains(" dyno=web.1 ") && line.contains(" status=418 "), "{line}");

    site.run("router:set APP access-log off");
    site.get("/?mark=silent");
    site.run("router:set APP access-log json");
    site.ask("GET", "/?mark=json", Some(("User-Agent", "me")), b"");
    wait_until("the request is in the log", SOON, || logs().contains("mark=json"));
    let line = logs().lines().find(|line| line.contains("mark=json")).unwrap().to_owned();
    let object: serde_json::Value = serde_json::from_str(line.split_once(": ").unwrap().1).unwrap();
    assert_eq!((&object["status"], &object["user_agent"]), (&200.into(), &"me".into()));
    assert!(!logs().contains("mark=silent"));
    assert!(!site.run("logs APP -q").contains("request_id"), "lines of the app alone");

    let listening = std::fs::read(site.server.root().join("listen.json")).unwrap();
    let listening: serde_json::Value = serde_json::from_slice(&listening).unwrap();
    let address: SocketAddr = listening["metrics"].as_str().unwrap().parse().unwrap();
    let ask = |path: &str| Connection::open(address).unwrap().get("metrics", path).unwrap();
    let figures = ask("/metrics").text();
    let instance = format!("slipway_instances{{app=\"{}\",process=\"web\",state=\"running\"}} 1\n", site.app);
    assert!(figures.contains(&instance), "{figures}");
    assert!(
        figures.contains(&format!("slipway_last_deploy_success{{app=\"{}\"}} 1\n", site.app)),
        "{figures}"
    );
    let requests = format!("slipway_router_requests_total{{app=\"{}\",class=\"4xx\"}} 1\n", site.app);
    assert!(figures.contains(&requests), "{figures}");
    assert!(figures.ends_with("# EOF\n"));
    assert_eq!((ask("/health").status, ask("/other").status), (200, 404));
}
