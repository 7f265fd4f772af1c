//! Certificates of apps, from the files of a person to what clients are shown.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::{Output, run};
use crate::harness::server::Server;
use crate::harness::tls::{Authority, Pair};
use crate::harness::torture;

/// A server with HTTPS, an app on it with a domain of its own, and who may change it.
fn deployed() -> (Server, Person, String, String) {
    let server = Server::start_with("https-listen = \"127.0.0.1:0\"\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("certs");
    torture::repo().push(&server, &alice, &app).success();
    let domain = format!("{app}.example");
    server.ssh(&alice, &format!("domains:add {app} {domain}")).success();
    (server, alice, app, domain)
}

fn curl(server: &Server, authority: &Path, host: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--connect-to", "::127.0.0.1:", "--cacert"]);
    let url = format!("https://{host}:{}/", server.https_address().unwrap().port());
    run(command.arg(authority).args(arguments).arg(url))
}

/// The two files in an archive, as Dokku takes them.
fn archive(pair: &Pair) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("server.crt"), &pair.certificate).unwrap();
    fs::write(directory.path().join("server.key"), &pair.key).unwrap();
    let mut tar = Command::new("tar");
    run(tar.arg("--directory").arg(directory.path()).args(["-c", "server.crt", "server.key"]))
        .success()
        .stdout_bytes
}

#[test]
fn a_certificate_comes_as_text_or_archive_and_is_what_clients_are_shown() {
    let (server, alice, app, domain) = deployed();
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let trusted = directory.path().join("authority.crt");
    fs::write(&trusted, authority.certificate_pem()).unwrap();
    let ssh = |line: &str, input: &[u8]| server.ssh_with_input(&alice, line, input);
    curl(&server, &trusted, &domain, &[]).exits_with(35);
    let urls = server.command(&["urls", &app]).success().stdout;
    assert!(!urls.contains("https://"), "{urls}");

    let first = authority.pair(&domain, 2999);
    let text = format!("{}{}", first.certificate, first.key);
    let added = ssh(&format!("certs:add {app}"), text.as_bytes()).success();
    assert!(added.stdout.contains(&format!("Certificate default of {app} is for {domain}")), "{added}");
    curl(&server, &trusted, &domain, &["--fail"]).success();
    // Clear text leads there now, for this host and not for the one without a certificate.
    assert_eq!(server.connect().get(&domain, "/").unwrap().status, 301);
    assert_eq!(server.get(&app, "/").status, 200);
    let https = format!("https://{domain}:{}\n", server.https_address().unwrap().port());
    let urls = server.command(&["urls", &app]).success().stdout;
    assert!(urls.ends_with(&https) && urls.matches("https://").count() == 1, "{urls}");

    let second = authority.pair(&domain, 2998);
    ssh(&format!("certs:update {app}"), &archive(&second)).success();
    let shown = server.ssh(&alice, &format!("certs:show {app} crt")).success().stdout;
    assert_eq!(shown, second.certificate.replace("\r\n", "\n"));
    assert_eq!(
        server.ssh(&alice, &format!("certs:show {app} key")).success().stdout,
        second.key.replace("\r\n", "\n")
    );
    assert!(authority.trust().is_shown(&second, server.https_address().unwrap(), &domain));

    // Both survive a restart, and what is gone is gone.
    let mut server = server;
    server.restart();
    server.wait_until_reachable(&app, "/");
    curl(&server, &trusted, &domain, &["--fail"]).success();
    let report = server.command(&["certs:report", &app, "--format", "json"]).success().json();
    assert_eq!(report["hostnames"], domain);
    assert_eq!((&report["enabled"], &report["kind"]), (&"true".into(), &"own".into()));
    assert!(report["expires-at"].as_str().unwrap().starts_with("2998-01-01"), "{report}");
    assert!(report["verified"].as_str().unwrap().starts_with("not verified"), "{report}");
    server.ssh(&alice, &format!("certs:remove {app}")).success();
    curl(&server, &trusted, &domain, &[]).exits_with(35);
    let none = server.ssh(&alice, &format!("certs:remove {app}")).exits_with(1);
    assert!(none.stderr.contains("An app-specific SSL endpoint is not defined"), "{none}");
}

#[test]
fn what_cannot_be_served_is_refused_with_the_fix_and_changes_nothing() {
    let (server, alice, app, domain) = deployed();
    let authority = Authority::new();
    let (good, other) = (authority.pair(&domain, 2999), authority.pair(&domain, 2999));
    let expired = authority.pair(&domain, 2001);
    let add = |options: &str, input: &str| {
        server.ssh_with_input(&alice, &format!("certs:add {options}{app}"), input.as_bytes())
    };
    add("", &format!("{}{}", good.certificate, good.key)).success();
    let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (input, told) in [
        (String::new(), "server.crt and server.key expected on stdin"),
        (good.certificate.clone(), "There is no private key"),
        (good.key.clone(), "There is no certificate"),
        (format!("{}{encrypted}", good.certificate), "openssl pkey -in server.key -out plain.key"),
        (format!("{}{}", good.certificate, other.key), "belongs to none of the certificates"),
        (format!("{}{}", expired.certificate, expired.key), "has expired at 2001-01-01"),
    ] {
        let refused = add("", &input).exits_with(1);
        assert!(refused.stderr.contains(told), "{refused}");
    }
    let files = server.ssh(&alice, &format!("certs:add {app} server.crt server.key")).exits_with(1);
    assert!(files.stderr.contains("read from standard input"), "{files}");
    assert!(authority.trust().is_shown(&good, server.https_address().unwrap(), &domain));

    add("--force --name old ", &format!("{}{}", expired.certificate, expired.key)).success();
    assert!(authority.trust().is_shown(&good, server.https_address().unwrap(), &domain), "the valid one");
    let findings = server.command(&["doctor"]).stdout;
    let line = findings.lines().find(|line| line.contains(&app) && line.contains("expired")).unwrap();
    assert!(line.contains("PROBLEM"), "{line}");
    let list = server.command(&["certs:list", &app]).success().stdout;
    assert!(list.contains("default") && list.contains("old"), "{list}");
    let strange = authority.pair("elsewhere.example", 2999);
    let warned = add("--name other ", &format!("{}{}", strange.certificate, strange.key)).success();
    assert!(warned.stderr.contains("none of the domains"), "{warned}");
}

#[test]
fn a_generated_certificate_is_shown_and_clients_may_have_to_show_one_too() {
    let (server, alice, app, domain) = deployed();
    server.ssh(&alice, &format!("certs:generate {app} {domain}")).success();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let shown = server.ssh(&alice, &format!("certs:show {app} crt")).success().stdout;
    let trusted = file("server.crt", &shown);
    curl(&server, &trusted, &domain, &["--fail"]).success();

    let early = server.ssh(&alice, &format!("certs:set {app} client-certificates required")).exits_with(1);
    assert!(early.stderr.contains(&format!("certs:client-authority {app} < ca.crt")), "{early}");
    let authority = Authority::new();
    let client = authority.pair("ann", 2999);
    let line = format!("certs:client-authority {app}");
    server.ssh_with_input(&alice, &line, authority.certificate_pem().as_bytes()).success();
    server.ssh(&alice, &format!("certs:set {app} client-certificates required")).success();
    let without = curl(&server, &trusted, &domain, &["--fail"]);
    assert_ne!(without.code, 0, "{without}");
    let (certificate, key) = (file("ann.crt", &client.certificate), file("ann.key", &client.key));
    let arguments = ["--fail", "--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    curl(&server, &trusted, &domain, &arguments).success();
    assert_eq!(server.connect().get(&domain, "/").unwrap().status, 301, "in clear text");

    server.ssh(&alice, &format!("certs:client-authority --remove {app}")).success();
    curl(&server, &trusted, &domain, &["--fail"]).success();
    server.ssh(&alice, &format!("certs:set {app} tls-versions modern")).success();
    curl(&server, &trusted, &domain, &["--fail", "--tls-max", "1.3"]).success();
    curl(&server, &trusted, &domain, &["--tls-max", "1.2"]).exits_with(35);
}
