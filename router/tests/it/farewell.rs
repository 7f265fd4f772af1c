//! What a WebSocket's client hears when its app is stopped.

use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::sync::Mutex;
use tokio::sync::mpsc;

use super::support::{Backend, Site, Wire, app, within};
use super::upgrade::HANDSHAKE;

/// What the app does with its WebSocket.
enum Order {
    Say(&'static [u8]),
    /// Ends the connection in order.
    End,
    /// Resets it, as the kernel does for a process that is killed with something unread.
    Reset,
}

const HI: &[u8] = b"\x81\x02hi";
const GOODBYE: &[u8] = b"\x88\x02\x03\xe9";
const SERVICE_RESTART: &[u8] = b"\x88\x11\x03\xf4service restart";

/// An open connection of `protocol` to an app that does as it is told.
async fn open(protocol: &'static str) -> (Site, Wire, mpsc::UnboundedSender<Order>, Backend) {
    let (orders, received) = mpsc::unbounded_channel();
    let received = Arc::new(Mutex::new(received));
    let backend = Backend::start("blog", move |mut wire| {
        let received = Arc::clone(&received);
        async move {
            wire.head().await;
            wire.send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
            ))
            .await;
            loop {
                match received.lock().await.recv().await {
                    Some(Order::Say(bytes)) => wire.send(bytes).await,
                    Some(Order::Reset) => {
                        SockRef::from(&wire.stream).set_linger(Some(Duration::ZERO)).unwrap();
                        return;
                    }
                    Some(Order::End) | None => return,
                }
            }
        }
    })
    .await;
    let site = Site::with(&[&backend]);
    let mut wire = site.connect().await;
    wire.send(HANDSHAKE.replace("websocket", protocol)).await;
    assert_eq!(wire.head().await.status(), 101);
    (site, wire, orders, backend)
}

/// What a client hears of an app that says `before`, is replaced, and ends.
async fn heard(protocol: &'static str, before: &'static [u8], end: Order) -> Vec<u8> {
    let (site, mut wire, orders, _backend) = open(protocol).await;
    orders.send(Order::Say(before)).unwrap();
    assert_eq!(wire.exactly(before.len()).await, before);
    let next = Backend::echo("next").await;
    site.publish(vec![app("blog", &[&next])]);
    orders.send(end).unwrap();
    within(wire.rest()).await.0
}

#[tokio::test]
async fn the_router_says_goodbye_for_an_app_that_was_replaced() {
    assert_eq!(heard("websocket", HI, Order::End).await, SERVICE_RESTART);
    assert_eq!(heard("WebSocket", b"", Order::End).await, SERVICE_RESTART);
    assert_eq!(heard("websocket", HI, Order::Reset).await, SERVICE_RESTART);
}

#[tokio::test]
async fn it_says_nothing_in_the_middle_of_a_frame_and_nothing_twice() {
    assert_eq!(heard("websocket", &HI[..3], Order::End).await, b"");
    assert_eq!(heard("websocket", GOODBYE, Order::End).await, b"");
    assert_eq!(heard("echo", HI, Order::End).await, b"", "whose frames are not known");
}

#[tokio::test]
async fn an_app_that_ends_by_itself_speaks_for_itself() {
    let (_site, mut wire, orders, _backend) = open("websocket").await;
    orders.send(Order::Say(HI)).unwrap();
    assert_eq!(wire.exactly(HI.len()).await, HI);
    orders.send(Order::End).unwrap();
    wire.ended().await;
}

#[tokio::test]
async fn a_client_that_goes_on_talking_hears_it_as_well() {
    let (site, mut wire, orders, backend) = open("websocket").await;
    site.publish(vec![app("blog", &[])]);
    wire.send([b'x'; 100_000]).await;
    orders.send(Order::End).unwrap();
    assert_eq!(wire.exactly(SERVICE_RESTART.len()).await, SERVICE_RESTART);
    wire.send([b'x'; 1000]).await;
    let drained = site.handle.drain(&[backend.id()], super::support::PATIENCE).await;
    assert!(drained.is_complete());
    assert_eq!(wire.rest().await.0, b"");
}
