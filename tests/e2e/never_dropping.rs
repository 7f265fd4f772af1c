//! Nothing is dropped: deploys, changes of routes and certificates, and upgrades of the server under a steady load.
//!
//! The whole of it takes a while: `SLIPWAY_NEVER=whole cargo nextest run --workspace --test e2e never_dropping`.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::http::Connection;
use crate::harness::load::{Connections, Load, Report};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::{DOMAIN, Server};
use crate::harness::tls::{Authority, Trust};
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::websocket::{CLOSE, TEXT, WebSocket};

const BOUND: Duration = Duration::from_secs(30);

/// How much is done.
struct Amounts {
    /// Deploys, of which every tenth is a push.
    deploys: usize,
    routes: usize,
    certificates: usize,
    upgrades: usize,
}

impl Amounts {
    fn chosen() -> Self {
        match env::var("SLIPWAY_NEVER").as_deref() {
            Ok("whole") => Self { deploys: 100, routes: 100, certificates: 20, upgrades: 10 },
            _ => Self { deploys: 5, routes: 20, certificates: 3, upgrades: 2 },
        }
    }
}

/// What all that is done is done to.
struct Site {
    server: Server,
    alice: Person,
    repo: Repo,
    /// The app that is deployed again and again.
    busy: String,
    /// One that nothing is done to.
    calm: String,
    /// One that gets and loses routes.
    moving: String,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        let server = Server::start_with("https-listen = \"127.0.0.1:0\"\n");
        let alice = Person::new("alice");
        server.add_key(&alice);
        let repo = torture::repo();
        let [busy, calm, moving] = ["busy", "calm", "moving"].map(names::unique);
        for app in [&busy, &calm, &moving] {
            repo.push(&server, &alice, app).success();
        }
        let site = Self { server, alice, repo, busy, calm, moving, authority: Authority::new() };
        site.change_certificate();
        site
    }

    fn deploy(&self, number: usize) {
        if number.is_multiple_of(10) {
            torture::commit_version(&self.repo, &format!("{}", number + 2));
            self.repo.push(&self.server, &self.alice, &self.busy).success();
        } else {
            self.server.ssh(&self.alice, &format!("ps:restart {}", self.busy)).success();
        }
    }

    fn change_route(&self, number: usize) {
        let host = format!("route-{}.example", number / 2);
        let verb = if number.is_multiple_of(2) { "domains:add" } else { "domains:remove" };
        self.server.ssh(&self.alice, &format!("{verb} {} {host}", self.moving)).success();
        let status = self.server.connect().get(&host, "/").unwrap().status;
        assert_eq!(status, if number.is_multiple_of(2) { 200 } else { 404 }, "after {verb} {host}");
    }

    fn change_certificate(&self) {
        let pair = self.authority.pair(&format!("*.{DOMAIN}"), 2999);
        pair.install(&self.server);
        let (trust, address) = (self.authority.trust(), self.server.https_address().unwrap());
        let host = self.server.host(&self.calm);
        wait_until("the new certificate is shown", BOUND, || {
            // An upgrade may have taken place since the last signal.
            self.server.reload();
            trust.connect(address, &host).is_ok() && trust.is_shown(&pair, address, &host)
        });
    }

    fn load(&self, trust: &Trust) -> Vec<(&'static str, Load)> {
        let (server, body) = (&self.server, vec![7; 20_000]);
        let mixed = |load: Load, app: &str| {
            load.get(server, app, "/", (Connections::KeepAlive, 1))
                .get(server, app, "/", (Connections::New, 1))
                .get(server, app, "/sleep?ms=300", (Connections::KeepAlive, 1))
                .get(server, app, "/drip?bytes=20&ms=20", (Connections::New, 1))
                .add(server, app, ("POST", "/upload", &body), (Connections::KeepAlive, 1))
                .add(server, app, ("POST", "/upload", &body), (Connections::New, 1))
        };
        vec![
            ("the app that is deployed", mixed(Load::new(), &self.busy)),
            ("another app", mixed(Load::new(), &self.calm)),
            ("the app that is deployed, over TLS", mixed(Load::new().over_tls(trust), &self.busy)),
            ("another app, over TLS", mixed(Load::new().over_tls(trust), &self.calm)),
        ]
    }
}

#[test]
fn no_request_and_no_websocket_of_another_app_is_lost() {
    let amounts = Amounts::chosen();
    let site = Site::new();
    let trust = site.authority.trust();
    let load = site.load(&trust);
    let mut kept = open_all(&site, &trust);
    let stop = AtomicBool::new(false);
    let started = Instant::now();
    let (goodbyes, echoes) = thread::scope(|scope| {
        let chats: Vec<_> =
            [&site.busy, &site.calm].map(|app| scope.spawn(|| chat(&site, app, &stop))).into();
        let upgrades = scope.spawn(|| upgrade(&site, amounts.upgrades, &stop));
        let routes = scope.spawn(|| (0..amounts.routes).for_each(|number| site.change_route(number)));
        let certificates = scope.spawn(|| (0..amounts.certificates).for_each(|_| site.change_certificate()));
        (0..amounts.deploys).for_each(|number| site.deploy(number));
        routes.join().unwrap();
        certificates.join().unwrap();
        upgrades.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        let counts = chats.into_iter().map(|chat| chat.join().unwrap());
        counts.fold((Vec::new(), 0), |(mut goodbyes, echoes), (said, more)| {
            goodbyes.push(said);
            (goodbyes, echoes + more)
        })
    });
    assert_eq!(goodbyes[1], 0, "a WebSocket of an app that was not deployed was closed");
    for socket in &mut kept {
        socket.send(TEXT, b"the whole time").unwrap();
        assert_eq!(socket.receive().unwrap().payload, b"the whole time");
    }
    let mut answered = 0;
    for (what, load) in load {
        let Report { answered: some, failures } = load.stop();
        assert!(failures.is_empty(), "{what}: {} of {some}: {:#?}", failures.len(), failures.iter().take(20));
        answered += some;
    }
    eprintln!(
        "{answered} requests, {echoes} messages, {} WebSockets kept, {} goodbyes of the deployed app in {:?}",
        kept.len(),
        goodbyes[0],
        started.elapsed()
    );
}

/// WebSockets of the app that nothing is done to, plain and over TLS.
fn open_all(site: &Site, trust: &Trust) -> Vec<WebSocket> {
    let host = site.server.host(&site.calm);
    let plain = (0..5).map(|_| WebSocket::open(site.server.http_address(), &host, "/ws").unwrap());
    let encrypted = (0..5).map(|_| {
        let stream = trust.connect(site.server.https_address().unwrap(), &host).unwrap();
        WebSocket::over(Connection::over(stream), &host, "/ws").unwrap()
    });
    plain.chain(encrypted).collect()
}

/// Replaces the server again and again, a moment between.
fn upgrade(site: &Site, times: usize, stop: &AtomicBool) {
    for _ in 0..times {
        site.server.command(&["upgrade"]).success();
        for _ in 0..20 {
            if !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Sends messages over a WebSocket and opens a new one whenever the app says goodbye; an end without a close frame
/// fails. Returns the goodbyes, and how many messages came back.
fn chat(site: &Site, app: &str, stop: &AtomicBool) -> (u64, u64) {
    let (mut goodbyes, mut echoes) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let address = site.server.http_address();
        let mut socket = WebSocket::open(address, &site.server.host(app), "/ws").unwrap();
        while !stop.load(Ordering::Relaxed) {
            // The goodbye may be on its way already, so that the message can no longer be sent.
            let sent = socket.send(TEXT, b"still there?");
            let frame =
                socket.receive().unwrap_or_else(|error| panic!("a WebSocket of {app} broke: {error}"));
            if frame.opcode == CLOSE {
                goodbyes += 1;
                break;
            }
            sent.unwrap();
            assert_eq!(frame.payload, b"still there?");
            echoes += 1;
            // A chat, not a flood.
            thread::sleep(Duration::from_millis(20));
        }
    }
    (goodbyes, echoes)
}
