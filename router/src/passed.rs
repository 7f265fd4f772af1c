//! An instance's answer on its way to its client: its head made the router's own, its body tied to what its end releases.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Response, StatusCode, Version};
use tokio::task::spawn_local;

use crate::attempt::Answer;
use crate::body::{ResponseBody, UpstreamBody};
use crate::client::Client;
use crate::deadline::Deadline;
use crate::delivery::Delivery;
use crate::exchange::Exchange;
use crate::forward_headers::prepare_response;
use crate::policy::Policy;
use crate::progress::Progress;
use crate::response_headers;
use crate::treatment::Wish;
use crate::upgrade::Tunnel;

/// An answer of an instance, before it is tied to the client.
pub(crate) struct Passed {
    pub(crate) answer: Answer,
    pub(crate) progress: Rc<Progress>,
    /// The client's side of the upgrade that was asked for.
    pub(crate) upgrade: Option<OnUpgrade>,
    pub(crate) client_version: Version,
    pub(crate) wish: Wish,
}

impl Passed {
    /// Makes it the client's answer, or the beginning of a tunnel.
    pub(crate) fn into_response(
        self,
        client: &Rc<Client>,
        policy: &Policy,
        mut exchange: Exchange,
    ) -> Response<ResponseBody> {
        let Answer { response, lease, in_flight, cookie } = self.answer;
        let (mut parts, incoming) = response.into_parts();
        // A proxy speaks its own version, whatever the app behind it speaks (RFC 9110, section 6.2).
        parts.version = Version::HTTP_11;
        let is_upgrade = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        exchange.set_status(parts.status.as_u16());
        prepare_response(&mut parts.headers, &exchange.request_id(), is_upgrade);
        response_headers::apply(policy, exchange.origin(), &mut parts.headers);
        if let Some(cookie) = cookie {
            parts.headers.append(header::SET_COOKIE, cookie);
        }
        if let (true, Some(client_end)) = (is_upgrade, self.upgrade) {
            let Some(upstream) = parts.extensions.remove::<OnUpgrade>() else {
                return Response::from_parts(parts, ResponseBody::empty());
            };
            client.flags.tunnel.store(true, Ordering::Relaxed);
            let flags = Arc::clone(&client.flags);
            let idle = policy.timeouts.tunnel_idle;
            let protocol = parts.headers.get(header::UPGRADE);
            let is_websocket =
                protocol.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
            let tunnel =
                Tunnel { client: client_end, upstream, in_flight, exchange, flags, idle, is_websocket };
            let count = client.worker.count_connection();
            // The client holds the connection's places in counts, and hyper's own hold ends here.
            let client = Rc::clone(client);
            spawn_local(async move {
                tunnel.run().await;
                drop((client, count));
            });
            return Response::from_parts(parts, ResponseBody::empty());
        }
        let treatment = self.wish.treatment(&mut parts, &policy.bodies, &client.worker.settings);
        if self.client_version == Version::HTTP_10 && !parts.headers.contains_key(header::CONTENT_LENGTH) {
            // Such an answer ends with the connection. Until its end was seen, that end must not look orderly.
            client.flags.reset.store(!incoming.is_end_stream(), Ordering::Relaxed);
            if !incoming.is_end_stream() {
                // hyper would promise to keep it to a client that asked for that, and a client that believes it waits.
                parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        let body = UpstreamBody {
            incoming,
            lease: Some(lease),
            pool: Rc::clone(&client.worker.pool),
            in_flight,
            exchange,
            progress: self.progress,
            flags: Arc::clone(&client.flags),
            idle: policy.timeouts.idle,
            deadline: Deadline::default(),
            ended: false,
        };
        if treatment.is_none() || body.incoming.is_end_stream() {
            return Response::from_parts(parts, ResponseBody::upstream(body));
        }
        Response::from_parts(parts, ResponseBody::delivery(Delivery::new(body, treatment)))
    }
}
