//! Who asks, as apps learn it: trusted proxies that are set while the server runs, and names beyond ASCII.

use std::fs;
use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

#[test]
fn proxies_are_trusted_from_one_moment_to_the_next_and_names_have_two_forms() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("asked");
    torture::repo().push(&server, &alice, &app).success();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).shown(&server, &app);
    assert_snapshot!(ssh("domains:add APP bücher.example [2001:DB8::1]"), @r"
    -----> Added xn--bcher-kva.example (bücher.example) to blog
    -----> Added [2001:db8::1] to blog
    [exit code 0]
    ");
    let report = ssh("domains:report APP");
    assert!(report.contains("Domains app vhosts unicode:    bücher.example\n"), "{report}");

    let told = |host: &str| {
        let claim = (Some(("X-Forwarded-For", "6.6.6.6, 192.0.2.7")), &[][..]);
        let response = server.connect().request_with("GET", host, "/headers", claim).unwrap();
        assert_eq!(response.status, 200, "{host}");
        response.text().to_ascii_lowercase()
    };
    for host in ["xn--bcher-kva.example", "XN--BCHER-KVA.Example.", "[2001:db8:0::1]:80"] {
        let head = told(host);
        assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n"), "{head}");
    }
    let file = server.root().join("slipway.toml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}\n[router]\ntrusted-proxies = [\"private\"]\n")).unwrap();
    server.reload();
    wait_until("the proxy is trusted", Duration::from_secs(10), || {
        told("xn--bcher-kva.example").contains("x-forwarded-for: 192.0.2.7, 127.0.0.1\r\n")
    });
    // What cannot be used changes nothing.
    fs::write(&file, format!("{before}\n[router]\ntrusted-proxies = [\"everybody\"]\n")).unwrap();
    server.reload();
    wait_until("the log says what is wrong", Duration::from_secs(10), || {
        server.log().contains("the trusted proxies stay as they are")
    });
    assert!(told("xn--bcher-kva.example").contains("x-real-ip: 192.0.2.7\r\n"));
}
