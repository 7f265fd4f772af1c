//! Let's Encrypt's own test authority (pebble) with its DNS server, on ports of its own.
//!
//! It rejects five nonces of a hundred and reuses half of the proofs, as it does by default: what a client has to
//! live with.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::http::{Connection, Response};
use crate::harness::server::Server;
use crate::harness::tls::{Authority, Trust};
use crate::harness::wait::wait_until;

/// The key for external account binding, and its name.
pub const EAB_KEY: (&str, &str) =
    ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");

/// The authority before and while it runs. Dropping it ends it.
pub struct Pebble {
    directory: TempDir,
    /// Who vouches for the authority's own site.
    site: Authority,
    acme: SocketAddr,
    management: SocketAddr,
    dns: SocketAddr,
    dns_management: SocketAddr,
    processes: Vec<Child>,
}

/// What may be chosen about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Seconds for which certificates are valid; years by default.
    pub validity: Option<u64>,
    /// Whether accounts have to be bound to others.
    pub binding: bool,
}

/// A port that was free a moment ago; the kernel gives such ports out in turn.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Pebble {
    /// One that does not run yet: servers can be told of it.
    pub fn prepare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let site = Authority::new();
        fs::write(directory.path().join("ca.pem"), site.certificate_pem()).unwrap();
        let pair = site.pair("localhost", 2999);
        fs::write(directory.path().join("site.crt"), &pair.certificate).unwrap();
        fs::write(directory.path().join("site.key"), &pair.key).unwrap();
        let [acme, management, dns, dns_management] = [(); 4].map(|()| free_address());
        let pebble = Self { directory, site, acme, management, dns, dns_management, processes: Vec::new() };
        pebble.write_hook();
        pebble
    }

    /// The lines of `slipway.toml` with which a server trusts its site and can make records in its DNS.
    pub fn settings(&self) -> String {
        format!(
            "https-listen = \"127.0.0.1:0\"\n[acme]\nca-certificate = \"{}\"\ndns-hook = \"{}\"\ndns-wait-seconds = 0\n",
            self.path("ca.pem").display(),
            self.path("hook").display(),
        )
    }

    /// A program as people write it: curl to the DNS server's own interface.
    fn write_hook(&self) {
        let script = r#"#!/bin/sh
set -e
echo "$1 $2 $3" >> DIRECTORY/hook.log
case $1 in
    present) curl -sSf --noproxy '*' -d "{\"host\":\"$2.\",\"value\":\"$3\"}" http://MANAGEMENT/set-txt ;;
    cleanup) curl -sSf --noproxy '*' -d "{\"host\":\"$2.\"}" http://MANAGEMENT/clear-txt ;;
esac
"#;
        let script = script.replace("MANAGEMENT", &self.dns_management.to_string());
        let script = script.replace("DIRECTORY", &self.directory.path().display().to_string());
        fs::write(self.path("hook"), script).unwrap();
        fs::set_permissions(self.path("hook"), fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// How the program for records was called.
    pub fn hook_calls(&self) -> String {
        fs::read_to_string(self.path("hook.log")).unwrap_or_default()
    }

    /// Starts it: it looks for proofs where a server listens.
    pub fn start(&mut self, server: &Server, options: Options) {
        let mut config = json!({
            "listenAddress": self.acme.to_string(),
            "managementListenAddress": self.management.to_string(),
            "certificate": self.path("site.crt"),
            "privateKey": self.path("site.key"),
            "httpPort": server.http_address().port(),
            "tlsPort": server.https_address().unwrap().port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": options.binding,
        });
        if options.binding {
            config["externalAccountMACKeys"] = json!({ EAB_KEY.0: EAB_KEY.1 });
        }
        if let Some(validity) = options.validity {
            config["certificateValidityPeriod"] = json!(validity);
        }
        fs::write(self.path("config.json"), json!({ "pebble": config }).to_string()).unwrap();
        let mut dns = Command::new("pebble-challtestsrv");
        dns.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        dns.args(["-dns01", &self.dns.to_string(), "-management", &self.dns_management.to_string()]);
        self.spawn(dns, self.dns_management);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(self.path("config.json")).args(["-dnsserver", &self.dns.to_string()]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1");
        self.spawn(pebble, self.acme);
    }

    /// Starts a program and waits until it listens.
    fn spawn(&mut self, mut command: Command, address: SocketAddr) {
        let log = File::options().append(true).create(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let name = command.get_program().to_string_lossy().into_owned();
        let missing = format!("{name} cannot be started: apt-get install pebble");
        let mut child = command.spawn().expect(&missing);
        wait_until(&format!("{name} listens"), Duration::from_secs(30), || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{name} ended with {status}: {}", self.log());
            }
            TcpStream::connect(address).is_ok()
        });
        self.processes.push(child);
    }

    /// Ends it, as if its host were gone.
    pub fn stop(&mut self) {
        for mut process in self.processes.drain(..) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Where its directory is.
    pub fn directory_url(&self) -> String {
        format!("https://localhost:{}/dir", self.acme.port())
    }

    /// A client that trusts its certificates. They are others after every start.
    pub fn trust(&self) -> Trust {
        let file = self.path("root.pem");
        fs::write(&file, self.manage("/roots/0").text()).unwrap();
        Trust::in_file(&file)
    }

    /// Asks its own interface.
    pub fn manage(&self, path: &str) -> Response {
        let stream = self.site.trust().connect(self.management, "localhost").unwrap();
        Connection::over(stream).get("localhost", path).unwrap()
    }

    /// Lets a name resolve to an address, or to none with an empty one.
    pub fn set_address(&self, host: &str, address: &str) {
        let body = json!({ "host": format!("{host}."), "addresses": [address] }).to_string();
        let mut connection = Connection::open(self.dns_management).unwrap();
        assert_eq!(connection.request("POST", "localhost", "/add-a", body.as_bytes()).unwrap().status, 200);
    }

    /// What both programs said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself, which the log below tells.
            process.kill().ok();
            process.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("----- pebble -----\n{}----- end of pebble -----", self.log());
        }
    }
}
