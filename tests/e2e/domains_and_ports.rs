//! How an app is reached: its host names, the global domains, its ports, its URLs.

use std::net::{SocketAddr, TcpListener};

use insta::assert_snapshot;

use crate::harness::http;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;

/// A server on which the torture app runs.
fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("domains");
    torture::repo().push(&server, &alice, &app).success();
    (server, alice, app)
}

/// What the router answers for a host name.
fn status(server: &Server, host: &str) -> u16 {
    http::get(server.http_address(), host, "/").unwrap().status
}

#[test]
fn host_names_come_and_go_at_once() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).shown(&server, &app);
    let default = server.host(&app);

    assert_snapshot!(ssh("domains:add APP www.example.com *.wild.example.com"), @r"
    -----> Added www.example.com to blog
    -----> Added *.wild.example.com to blog
    [exit code 0]
    ");
    for (host, expected) in [
        ("www.example.com", 200),
        ("WWW.Example.COM", 200),
        ("a.wild.example.com", 200),
        ("wild.example.com", 404),
        ("example.com", 404),
        (default.as_str(), 200),
    ] {
        assert_eq!(status(&server, host), expected, "{host}");
    }
    assert_snapshot!(ssh("domains:add APP www.example.com"), @r"
           Skipping: www.example.com already added to blog
    [exit code 0]
    ");
    assert_snapshot!(ssh("domains:report APP"), @r"
    =====> blog domains information
           Domains app enabled:           true
           Domains app vhosts:            blog.test.localhost www.example.com *.wild.example.com
           Domains global enabled:        true
           Domains global vhosts:         test.localhost
    [exit code 0]
    ");
    assert_snapshot!(ssh("urls APP"), @r"
    http://blog.test.localhost
    http://www.example.com
    http://*.wild.example.com
    [exit code 0]
    ");

    let json = server.ssh(&alice, &format!("urls {app} --format json")).success().json();
    assert_eq!(json[0], serde_json::json!(server.url(&app)));
}

#[test]
fn host_names_can_be_turned_off_replaced_and_reset() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).shown(&server, &app);
    let default = server.host(&app);
    assert!(ssh("domains:add APP www.example.com *.wild.example.com").ends_with("[exit code 0]"));

    assert!(ssh("domains:disable APP").ends_with("[exit code 0]"));
    assert_eq!([status(&server, &default), status(&server, "www.example.com")], [404, 404]);
    assert_snapshot!(ssh("domains:remove APP *.wild.example.com"), @r"
    -----> Removed *.wild.example.com from blog
    [exit code 0]
    ");
    assert!(ssh("domains:report APP").contains("blog.test.localhost www.example.com\n"));
    assert!(ssh("domains:enable APP").ends_with("[exit code 0]"));
    assert_eq!([status(&server, &default), status(&server, "www.example.com")], [200, 200]);

    assert!(ssh(&format!("domains:remove APP {default}")).ends_with("[exit code 0]"));
    assert_eq!([status(&server, &default), status(&server, "www.example.com")], [404, 200]);
    assert!(ssh("domains:set APP b.example.com a.example.com").ends_with("[exit code 0]"));
    assert_eq!([status(&server, "www.example.com"), status(&server, "b.example.com")], [404, 200]);
    assert!(ssh("domains:clear APP").ends_with("[exit code 0]"));
    assert_eq!(status(&server, "b.example.com"), 404);
    assert_eq!(ssh("urls APP"), "[exit code 0]");
    assert_snapshot!(ssh("url APP"), @r"
     !     blog has no host name
     !     Give it one: domains:add blog HOST
    [exit code 1]
    ");
    assert!(ssh("domains:reset APP").ends_with("[exit code 0]"));
    assert_eq!(status(&server, &default), 200);
    assert_snapshot!(ssh("domains:remove APP www.example.com"), @r"
     !     www.example.com is not a domain of blog
     !     See them: domains:report blog
    [exit code 1]
    ");
}

#[test]
fn one_host_name_has_one_owner_who_is_named() {
    let (server, alice) = Server::with_person("alice");
    let (first, second) = (names::unique("one"), names::unique("two"));
    for app in [&first, &second] {
        server.ssh(&alice, &format!("apps:create {app}")).success();
    }
    server.ssh(&alice, &format!("domains:add {first} shop.example.com")).success();

    for taken in ["shop.example.com", "SHOP.example.com", &server.host(&first)] {
        for command in ["domains:add", "domains:set"] {
            let said =
                server.ssh(&alice, &format!("{command} {second} new.example.com {taken}")).exits_with(1);
            assert!(said.stderr.contains(&format!("leads to {first} already")), "{said}");
            let remedy = format!("domains:remove {first} {}", taken.to_ascii_lowercase());
            assert!(said.stderr.trim_end().ends_with(&remedy), "{said}");
        }
    }
    let report = server.ssh(&alice, &format!("domains:report {second} --domains-app-vhosts")).success();
    assert_eq!(report.stdout, format!("{}\n", server.host(&second)), "a part of what was refused was done");
    for wrong in ["a..b", "-a.example.com", "a.*.example.com", "http://a.example.com", "ex ample.com", ""] {
        server.ssh(&alice, &format!("domains:add {second} '{wrong}'")).exits_with(1);
    }
}

#[test]
fn default_names_follow_the_global_domains() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).shown(&server, &app);
    let statuses =
        || ["test.localhost", "one.example", "two.example"].map(|d| status(&server, &format!("{app}.{d}")));

    // The one of the settings is a global domain like any other: it stays when another is added.
    assert_snapshot!(ssh("domains:add-global one.example test.localhost"), @r"
           Skipping: test.localhost already added
    -----> Added one.example
    [exit code 0]
    ");
    assert_eq!(statuses(), [200, 200, 404]);
    assert_snapshot!(ssh("domains:remove-global test.localhost"), @r"
    -----> Removed test.localhost
    [exit code 0]
    ");
    assert_eq!(statuses(), [404, 200, 404]);
    assert_snapshot!(ssh("domains:set-global two.example one.example two.example"), @r"
    -----> Set two.example one.example
    [exit code 0]
    ");
    assert_eq!(statuses(), [404, 200, 200]);
    assert_snapshot!(ssh("domains:report --global"), @r"
    =====> global domains information
           Domains global enabled:        true
           Domains global vhosts:         two.example one.example
    [exit code 0]
    ");
    assert_eq!(ssh("url APP"), "http://blog.two.example\n[exit code 0]");
    assert!(ssh("domains:remove-global two.example one.example").ends_with("[exit code 0]"));
    assert_eq!(statuses(), [404, 404, 404]);
    assert_eq!(ssh("domains:report --global --domains-global-enabled"), "false\n[exit code 0]");
    assert_snapshot!(ssh("domains:remove-global two.example"), @r"
     !     two.example is not a global domain
     !     See them: domains:report --global
    [exit code 1]
    ");
    assert!(ssh("domains:set-global test.localhost").ends_with("[exit code 0]"));
    assert!(ssh("domains:clear-global").ends_with("[exit code 0]"));
    assert_eq!(statuses(), [404, 404, 404]);
}

/// A port on which nothing listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_port_opens_when_it_is_added_and_closes_when_it_is_removed() {
    let (server, alice, app) = deployed();
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let ssh = |line: &str| {
        let shown = server.ssh(&alice, &line.replace("APP", &app).replace("PORT", &port.to_string()));
        shown.shown(&server, &app).replace(&port.to_string(), "PORT")
    };
    let instance = server.get(&app, "/instance").text();

    assert_snapshot!(ssh("ports:add APP http:PORT:5000"), @r"
    -----> Port mappings for blog: http:80:5000 http:PORT:5000
    [exit code 0]
    ");
    // What is added takes nothing away.
    assert_eq!(http::get(address, &server.host(&app), "/instance").unwrap().text(), instance);
    assert_eq!(server.get(&app, "/instance").text(), instance);
    assert_eq!(http::get(address, "nobody.example", "/").unwrap().status, 404);
    assert_snapshot!(ssh("urls APP"), @r"
    http://blog.test.localhost
    http://blog.test.localhost:PORT
    [exit code 0]
    ");
    let json = server.ssh(&alice, &format!("ports:list {app} --format json")).success().json();
    let mapping =
        |host: u16| serde_json::json!({ "scheme": "http", "host-port": host, "container-port": 5000 });
    assert_eq!(json, serde_json::json!([mapping(80), mapping(port)]));

    assert_snapshot!(ssh("ports:remove APP PORT"), @r"
    -----> Port mappings for blog: http:80:5000
    [exit code 0]
    ");
    assert!(http::get(address, &server.host(&app), "/").is_err(), "the port is still open");
    assert_snapshot!(ssh("ports:remove APP PORT"), @r"
     !     There is no port mapping PORT
     !     See them: ports:list blog
    [exit code 1]
    ");
    assert!(ssh("ports:set APP http:PORT:5000").ends_with("[exit code 0]"));
    assert_eq!(
        (http::get(address, &server.host(&app), "/").unwrap().status, server.get(&app, "/").status),
        (200, 404)
    );
    assert_snapshot!(ssh("ports:clear APP"), @r"
    -----> Port mappings for blog: as detected
    [exit code 0]
    ");
    assert_snapshot!(ssh("ports:list APP"), @r"
    -----> Port mappings for blog
    -----> scheme  host port  container port
    http           80         5000
    [exit code 0]
    ");
    assert_eq!(server.get(&app, "/instance").text(), instance, "the app was restarted for nothing");

    // Another port inside the container is told to the app, which has to be restarted for it.
    assert!(ssh("ports:set APP http:80:7000").contains("-----> Deploying blog v1\n"));
    assert_eq!(server.get(&app, "/env?name=PORT").text(), "7000");
}

#[test]
fn a_key_for_one_app_takes_no_host_from_the_wildcard_of_another() {
    let (server, alice) = Server::with_person("alice");
    let (app, other) = (names::unique("domains"), names::unique("other"));
    for name in [&app, &other] {
        server.ssh(&alice, &format!("apps:create {name}")).success();
    }
    let bob = Person::new("bob");
    server.add_key_with(&bob, &["--role", "deployer", "--for", &other]);
    server.ssh(&alice, &format!("domains:add {app} *.wild.example.com")).success();

    for place in ["login.wild.example.com", "login.wild.example.com/path"] {
        let said = server.ssh(&bob, &format!("domains:add {other} {place}")).exits_with(1).stderr;
        assert!(said.contains("leads to another app already") && !said.contains(&app), "{said}");
    }
    server.ssh(&bob, &format!("domains:add {other} a.b.wild.example.com")).success();
    // Who opens both says which of them a host leads to.
    server.ssh(&alice, &format!("domains:add {other} login.wild.example.com")).success();
}

#[test]
fn port_mappings_that_are_added_at_once_are_all_kept() {
    let server = Server::start();
    let app = names::unique("domains");
    server.command(&["apps:create", &app]).success();
    let mappings: Vec<String> = (0..8).map(|_| format!("http:{}:5000", free_port())).collect();
    std::thread::scope(|scope| {
        for mapping in &mappings {
            scope.spawn(|| server.command(&["ports:add", &app, mapping]).success());
        }
    });
    let kept = server.command(&["ports:report", &app, "--ports-map"]).success().stdout;
    let kept: std::collections::BTreeSet<&str> = kept.split_whitespace().collect();
    assert_eq!(kept, mappings.iter().map(String::as_str).collect());
}

#[test]
fn port_mappings_that_cannot_work_are_refused_and_change_nothing() {
    let (server, alice, app) = deployed();
    let foreign = TcpListener::bind((server.http_address().ip(), 0)).unwrap();
    let port = foreign.local_addr().unwrap().port();
    let ssh = |line: &str| {
        let line = format!("ports:add {app} {line}");
        server.ssh(&alice, &line).shown(&server, &app).replace(&port.to_string(), "PORT")
    };

    assert_snapshot!(ssh(&format!("http:{port}:5000")), @r"
     !     Port PORT of the host cannot be used: Address already in use (os error 98)
     !     Choose another one, or stop the program that has it
    [exit code 1]
    ");
    assert_snapshot!(ssh(""), @r"
     !     No port mapping specified
     !     For example: http:80:5000
    [exit code 1]
    ");
    assert_snapshot!(ssh("80"), @r"
     !     Invalid port map 80: write scheme:host-port:container-port, for example http:80:5000 (schemes: http, https, grpc, grpcs)
    [exit code 1]
    ");
    assert_snapshot!(ssh("http:8080:5000 http:8080:6000"), @r"
     !     Error validating port mappings: The same scheme:host-port is being reused: http:8080
    [exit code 1]
    ");
    for wrong in ["http:0:5000", "http:65536:5000", "ftp:21:21", "http:80:", "http:80:5000:1"] {
        assert!(ssh(wrong).starts_with(" !     Invalid port map "), "{wrong}");
    }
    assert_eq!(server.ssh(&alice, &format!("ports:report {app} --ports-map")).stdout, "\n");
    assert_eq!(
        server.ssh(&alice, &format!("ports:report {app} --ports-map-detected")).stdout,
        "http:80:5000\n"
    );
}
