//! Hosts and paths together: whose a path is, and what its app sees of it.

use slipway_router::table::{AppRoutes, HostRoute};

use super::support::{Backend, Site, app, host};
use super::trust::{reflect, reflected};

fn place(text: &str, path: &str, strip: bool) -> HostRoute {
    HostRoute { path: path.parse().unwrap(), strip, ..host(text) }
}

fn on(name: &str, backend: &Backend, hosts: Vec<HostRoute>) -> AppRoutes {
    AppRoutes { hosts, ..app(name, &[backend]) }
}

async fn line(site: &Site, host: &str, target: &str) -> String {
    let answer = site.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    assert_eq!(answer.status(), 200, "{host}{target}");
    reflected(answer.text()).line
}

#[tokio::test]
async fn the_longest_path_wins_segment_by_segment() {
    let (site_app, api, v2) =
        (Backend::echo("site").await, Backend::echo("api").await, Backend::echo("v2").await);
    let site = Site::start();
    site.publish(vec![
        on("site", &site_app, vec![host("x.test")]),
        on("api", &api, vec![place("x.test", "/api", true)]),
        on("v2", &v2, vec![place("x.test", "/api/v2", false)]),
    ]);
    for (path, name) in [
        ("/", "site"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api?x", "api"),
        ("/api//v2", "api"),
        ("/apis", "site"),
        ("/API", "site"),
        ("/%61pi", "site"),
        ("/api%2fv2", "site"),
        ("/api/v2", "v2"),
        ("/api/v2/../x", "v2"),
        ("/x/../api", "site"),
        ("//api", "site"),
        ("/api/v21", "api"),
    ] {
        let answer = site.ask(&format!("GET {path} HTTP/1.1\r\nHost: X.test.:80\r\n\r\n")).await;
        assert_eq!(answer.text(), name, "{path}");
    }
}

#[tokio::test]
async fn a_stripped_path_loses_its_beginning_and_nothing_else() {
    let backend = Backend::start("app", reflect).await;
    let site = Site::start();
    let hosts = vec![place("x.test", "/app", true), place("y.test", "/app", false), host("z.test")];
    site.publish(vec![on("app", &backend, hosts)]);
    for (asked, seen) in [
        ("/app", "/"),
        ("/app/", "/"),
        ("/app?q=%20", "/?q=%20"),
        ("/app/x?a=b&c=[]|", "/x?a=b&c=[]|"),
        ("/app//x", "//x"),
        ("/app/%2f/%2E%2e/../a;b", "/%2f/%2E%2e/../a;b"),
        ("/app/app", "/app"),
        ("/app/?", "/?"),
    ] {
        assert_eq!(line(&site, "x.test", asked).await, format!("GET {seen} HTTP/1.1"), "{asked}");
        assert_eq!(line(&site, "y.test", asked).await, format!("GET {asked} HTTP/1.1"), "{asked}");
        assert_eq!(line(&site, "z.test", asked).await, format!("GET {asked} HTTP/1.1"), "{asked}");
    }
    let prefix = async |host: &str| {
        let answer = site
            .ask(&format!("GET /app HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Prefix: /evil\r\n\r\n"))
            .await;
        reflected(answer.text()).get("x-forwarded-prefix").map(str::to_owned)
    };
    assert_eq!(prefix("x.test").await.as_deref(), Some("/app"));
    assert_eq!(prefix("y.test").await, None);
    assert_eq!(site.ask("GET /other HTTP/1.1\r\nHost: x.test\r\n\r\n").await.code(), Some("unknown-host"));
}

#[tokio::test]
async fn a_host_of_its_own_is_not_filled_up_by_a_wildcard() {
    let (exact, wild) = (Backend::echo("exact").await, Backend::echo("wild").await);
    let site = Site::start();
    site.publish(vec![
        on("exact", &exact, vec![place("a.x.test", "/api", false)]),
        on("wild", &wild, vec![host("*.x.test"), place("*.x.test", "/deep", false)]),
    ]);
    let asked = async |host: &str, path: &str| {
        let answer = site.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        if answer.status() == 200 { answer.text().to_owned() } else { answer.status().to_string() }
    };
    assert_eq!(asked("a.x.test", "/api/x").await, "exact");
    assert_eq!(asked("a.x.test", "/").await, "404");
    assert_eq!(asked("b.x.test", "/api").await, "wild");
    assert_eq!(asked("b.x.test", "/deep/x").await, "wild");
}

#[tokio::test]
async fn hosts_are_known_in_every_spelling() {
    let backend = Backend::echo("app").await;
    let site = Site::start();
    let hosts = ["xn--bcher-kva.test", "[2001:db8::1]", "192.0.2.1", "under_score.test"].map(host).to_vec();
    site.publish(vec![on("app", &backend, hosts)]);
    for host in [
        "xn--bcher-kva.test",
        "XN--BCHER-KVA.TEST.",
        "[2001:db8::1]",
        "[2001:DB8:0:0:0:0:0:1]:8080",
        "192.0.2.1",
        "192.0.2.1:80",
        "under_score.test",
    ] {
        assert_eq!(site.get(host).await.text(), "app", "{host}");
    }
    for (host, status) in [
        ("[2001:db8::2]", 404),
        ("192.0.2.1.", 200),
        ("192.0.2.01", 404),
        ("[::ffff:192.0.2.1]", 404),
        ("bücher.test", 400),
        ("2001:db8::1", 400),
        ("[2001:db8::1%25eth0]", 400),
        ("192.0.2.1:", 200),
        ("192.0.2.1:65536", 400),
    ] {
        assert_eq!(site.get(host).await.status(), status, "{host}");
    }
}
