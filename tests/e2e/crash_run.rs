//! One-off containers of a server that was killed: those with a client go, the detached ones stay.

use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

#[test]
fn one_off_containers_end_with_their_client_and_detached_ones_stay() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("once");
    torture::repo().push(&server, &alice, &app).success();
    let detached = server.ssh(&alice, &format!("run:detached {app} sleep 300")).success().stdout;
    let detached = detached.trim().to_owned();
    let mut client = server.start_ssh(&alice, &format!("run {app} sh -c 'echo it runs; sleep 300'"));
    client.wait_for_line("it runs");
    let one_offs = || {
        let mut names = engine::container_names("slipway.app", &app);
        names.retain(|name| name.contains(".run."));
        names
    };
    assert_eq!(one_offs().len(), 2);

    // A look at the containers, which this news causes, leaves the one with a client alone.
    engine::act_on(&format!("{app}.web.1"), "restart?t=1");
    server.wait_until_reachable(&app, "/");
    assert_eq!(one_offs().len(), 2);

    server.kill();
    server.start_again();
    wait_until("only the detached one is left", Duration::from_secs(20), || {
        one_offs() == [detached.as_str()]
    });
    let listed = server.ssh(&alice, &format!("run:list {app}")).success().stdout;
    assert!(listed.contains(&detached), "{listed}");
    drop(client);
}
