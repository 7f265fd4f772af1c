//! What is taken away under a running app comes back without a person, within ten seconds of its being possible.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::engine;
use crate::harness::http;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// What the issue promises.
const PROMISED: Duration = Duration::from_secs(10);

fn is_up(server: &Server, app: &str) -> bool {
    let answer = http::get(server.http_address(), &server.host(app), "/instance");
    answer.is_ok_and(|answer| answer.status == 200)
}

/// Waits until all apps answer, and prints how long that took.
#[track_caller]
fn wait_until_back(fault: &str, server: &Server, apps: &[&str]) {
    let began = Instant::now();
    wait_until(&format!("apps are back after {fault}"), PROMISED, || {
        apps.iter().all(|app| is_up(server, app))
    });
    eprintln!("back after {fault}: {:?}", began.elapsed());
}

fn releases(server: &Server, person: &Person, app: &str) -> Vec<(String, String)> {
    let listed = server.ssh(person, &format!("releases {app} --format json")).success().json();
    let text = |release: &Value, key: &str| release[key].as_str().unwrap().to_owned();
    let releases = listed.as_array().unwrap().iter();
    releases.map(|release| (text(release, "description"), text(release, "created_by"))).collect()
}

#[test]
fn containers_network_and_images_that_are_taken_away_come_back() {
    // What has lost its network does not hear that it should stop.
    let mut server = Server::start_with("[deploy]\nstop-seconds = 1\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let (blog, shop) = (names::unique("blog"), names::unique("shop"));
    let repo = torture::repo();
    for app in [&blog, &shop] {
        // An image of its own for each.
        torture::commit_version(&repo, app);
        repo.push(&server, &alice, app).success();
    }
    let apps = [blog.as_str(), shop.as_str()];
    let containers = apps.map(|app| format!("{app}.web.1"));

    // A reboot: nothing runs, and the engine was told to stop it, so that it starts nothing by itself.
    server.kill();
    containers.iter().for_each(|container| engine::act_on(container, "stop?t=0"));
    server.start_again();
    wait_until_back("a reboot", &server, &apps);
    wait_until_whole(&server);

    // The same without the network: these containers can never be started again.
    server.kill();
    containers.iter().for_each(|container| engine::act_on(container, "stop?t=0"));
    delete_network(&format!("slipway-{}", server.owner()));
    server.start_again();
    wait_until_back("a reboot without the network", &server, &apps);
    wait_until_whole(&server);

    // And under the running server, which nobody tells of it.
    // Asked of the database: a request in between would wait for a container that cannot answer any more.
    let instances = || {
        let database = server.database();
        let mut statement = database.prepare("SELECT container FROM instances").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<String>>()
    };
    let before = instances();
    remove_under_containers(&server, &format!("slipway-{}", server.owner()));
    let began = Instant::now();
    wait_until("there are new containers", PROMISED, || instances().iter().all(|now| !before.contains(now)));
    eprintln!("back after a network that was removed: {:?}", began.elapsed());
    assert!(apps.iter().all(|app| is_up(&server, app)));
    wait_until_whole(&server);

    a_links_network_that_is_removed_comes_back(&server, &alice, (&shop, &blog));
    an_image_that_loses_its_name_gets_one_again(&server, &alice, &blog);
    an_image_that_is_gone_is_made_again(&mut server, &alice, &blog);
    assert!(is_up(&server, &shop));
    wait_until_whole(&server);
}

/// Takes all containers off a network, and removes it. The server finds it done: it would be in the middle otherwise.
fn remove_under_containers(server: &Server, network: &str) {
    let process = Pid::from_raw(server.process_id().try_into().unwrap());
    kill(process, Signal::SIGSTOP).unwrap();
    for container in engine::get(&format!("/networks/{network}"))["Containers"].as_object().unwrap().keys() {
        let body = format!(r#"{{"Container":"{container}","Force":true}}"#);
        let path = format!("/networks/{network}/disconnect");
        engine::request_with("POST", &path, ("application/json", body.as_bytes()));
    }
    delete_network(network);
    kill(process, Signal::SIGCONT).unwrap();
}

fn delete_network(network: &str) {
    let gone = engine::request("DELETE", &format!("/networks/{network}"));
    assert!(gone.status < 400, "{}", gone.text());
}

/// Neither the one that links nor the one that is linked to is restarted for that.
fn a_links_network_that_is_removed_comes_back(server: &Server, person: &Person, (from, to): (&str, &str)) {
    server.ssh(person, &format!("links:add {from} {to} --as API")).success();
    let via = || server.get(from, "/via?env=API_URL&path=/instance").status;
    wait_until("the link leads there", PROMISED, || via() == 200);
    let containers = [from, to].map(|app| format!("{app}.web.1"));
    let ids =
        || containers.each_ref().map(|name| engine::get(&format!("/containers/{name}/json"))["Id"].clone());
    let before = ids();
    let link = format!("slipway-{}-link-", server.owner());
    let joined = |container: &String| {
        let container = engine::get(&format!("/containers/{container}/json"));
        let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
        networks.keys().find(|name| name.starts_with(&link)).cloned()
    };
    let network = joined(&containers[0]).unwrap();
    remove_under_containers(server, &network);
    let began = Instant::now();
    // A request in between would wait for seconds for one that cannot answer.
    wait_until("both are on the network again", PROMISED, || {
        containers.iter().all(|container| joined(container).is_some())
    });
    assert_eq!(via(), 200);
    eprintln!("back after a link's network that was removed: {:?}", began.elapsed());
    assert_eq!(ids(), before);
}

/// `docker rmi -f` takes the name of an image that runs; the next `docker image prune` would take the image.
fn an_image_that_loses_its_name_gets_one_again(server: &Server, person: &Person, app: &str) {
    let repository = format!("slipway-{}/{app}", server.owner());
    let names = || {
        let names = engine::image_names("slipway.owner", &server.owner());
        names.into_iter().filter(|name| name.starts_with(&repository)).collect::<Vec<_>>()
    };
    for name in names() {
        assert_eq!(engine::request("DELETE", &format!("/images/{name}?force=1")).status, 200, "{name}");
    }
    assert_eq!(names(), [] as [String; 0]);
    server.ssh(person, &format!("ps:restart {app}")).success();
    wait_until("the image has a name again", PROMISED, || names() == [format!("{repository}:kept-v1")]);
}

/// With the container gone, too, nothing is left but the commit.
fn an_image_that_is_gone_is_made_again(server: &mut Server, person: &Person, app: &str) {
    let set = format!("config:set --no-restart {app} LATER=1");
    server.ssh(person, &set).success();
    // That is for what is pushed; an app whose image is lost has to come back all the same.
    server.ssh(person, &format!("ps:set {app} skip-deploy true")).success();
    let image = server.ssh(person, &format!("releases:info {app} --format json")).success().json();
    let image = image["image"].as_str().unwrap().to_owned();
    server.ssh(person, &format!("apps:lock {app}")).success();
    // Until then an instance that was replaced holds the image.
    wait_until_whole(server);
    server.kill();
    engine::request("DELETE", &format!("/containers/{app}.web.1?force=1"));
    engine::request("DELETE", &format!("/images/{image}?force=1"));
    assert_eq!(engine::request("GET", &format!("/images/{image}/json")).status, 404);
    server.start_again();
    wait_until_back("an image that was removed", server, &[app]);
    let newest = releases(server, person, app).remove(0);
    assert_eq!(newest, ("Make the lost image of v1 again".to_owned(), "slipway".to_owned()));
    // Config vars that were set for the next deploy stay for that; the lock is still there.
    assert_eq!(server.get(app, "/env?name=LATER").status, 404);
    server.ssh(person, &format!("apps:unlock {app}")).success();
}
