//! The owner's network and the addresses on it.

use std::time::Duration;

use slipway::model::release::ProcessCommand;

use crate::docker_support::{TestEngine, docker_text, read_all};

#[tokio::test]
async fn the_network_is_made_once_and_isolates_containers() {
    let test = TestEngine::new();
    let made = test.engine.ensure_network().await.unwrap();
    assert_eq!(test.engine.ensure_network().await.unwrap(), made);
    assert!(made.subnet.contains(made.gateway));

    let name = test.engine.network_name();
    let icc = docker_text(&[
        "network",
        "inspect",
        &name,
        "-f",
        "{{json .Options}} {{(index .IPAM.Config 0).Subnet}}",
    ]);
    assert!(icc.contains(r#""com.docker.network.bridge.enable_icc":"false""#), "{icc}");
    assert!(icc.ends_with(&made.subnet.to_string()), "{icc}");
    let all = docker_text(&["network", "ls", "--filter", &format!("name={name}"), "--format", "{{.Name}}"]);
    assert_eq!(all, name, "the probe is gone and there is one network");

    test.engine.remove_network().await.unwrap();
    test.engine.remove_network().await.unwrap();
}

#[tokio::test]
async fn a_container_starts_though_the_network_is_not_there_yet() {
    let test = TestEngine::new();
    let id = test.started(&test.script("early", "exec sleep 1000")).await;
    let address = test.engine.inspect(id.as_str()).await.unwrap().address.unwrap();
    assert!(test.engine.ensure_network().await.unwrap().subnet.contains(address));
}

#[tokio::test]
async fn two_that_make_the_network_at_once_make_one() {
    let test = TestEngine::new();
    let (one, other) = tokio::join!(test.engine.ensure_network(), test.engine.ensure_network());
    assert_eq!(one.unwrap(), other.unwrap());
}

#[tokio::test]
async fn static_addresses_survive_a_restart_in_another_order() {
    let test = TestEngine::new();
    let network = test.engine.ensure_network().await.unwrap();
    let addresses: Vec<_> = network.static_addresses().take(2).collect();
    let mut ids = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let mut spec = test.script(&format!("static{index}"), "exec sleep 1000");
        spec.address = Some(*address);
        ids.push(test.started(&spec).await);
    }
    for id in &ids {
        test.engine.stop(id, Duration::ZERO).await.unwrap();
    }

    // While both are down, a container without an address must not take one of theirs.
    let guest = test.started(&test.script("guest", "exec sleep 1000")).await;
    let guest = test.engine.inspect(guest.as_str()).await.unwrap().address.unwrap();
    assert!(network.subnet.contains(guest) && !addresses.contains(&guest));

    for (id, address) in ids.iter().zip(&addresses).rev() {
        test.engine.start(id).await.unwrap();
        assert_eq!(test.engine.inspect(id.as_str()).await.unwrap().address, Some(*address));
    }
}

#[tokio::test]
async fn an_address_is_given_to_one_container_only() {
    let test = TestEngine::new();
    let network = test.engine.ensure_network().await.unwrap();
    let address = network.static_addresses().nth(9).unwrap();
    let mut first = test.script("first", "exec sleep 1000");
    first.address = Some(address);
    test.started(&first).await;
    let mut second = test.script("second", "exec sleep 1000");
    second.address = Some(address);
    let id = test.engine.create(&second).await.unwrap();
    let error = test.engine.start(&id).await.unwrap_err();
    assert!(error.to_string().contains("Address already in use"), "{error}");
}

#[tokio::test]
async fn the_host_reaches_a_container_and_another_container_does_not() {
    let test = TestEngine::new();
    let network = test.engine.ensure_network().await.unwrap();
    let address = network.static_addresses().next().unwrap();
    // Debian's slim image has perl, which is all that is needed to listen.
    let listen = "use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen => 5, LocalPort => 5000) or die; \
                  while (my $c = $l->accept) { print $c qq(hello\\n); close $c }";
    let mut server = test.script("server", "");
    server.command = ProcessCommand::Arguments(["perl", "-e", listen].map(str::to_owned).to_vec());
    server.address = Some(address);
    let server = test.started(&server).await;
    let pid = test.engine.inspect(server.as_str()).await.unwrap().pid.unwrap();
    crate::docker_support::eventually("the server listens", || async {
        let listening = slipway::docker::listening::listening_addresses(pid).await.unwrap();
        listening.contains(&"0.0.0.0:5000".parse().unwrap()).then_some(())
    })
    .await;
    tokio::net::TcpStream::connect((address, 5000)).await.unwrap();

    let script =
        format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/5000' && echo reached || echo not reached");
    let client = test.started(&test.script("client", &script)).await;
    assert_eq!(test.engine.wait(&client).await.unwrap(), 0);
    let log = test.engine.logs(&client, Default::default()).await.unwrap();
    assert_eq!(read_all(log).await.0, "not reached\n");
}
