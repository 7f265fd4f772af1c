//! One request: checked, routed, sent to an instance, and its answer or the router's own handed back.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use hyper::body::{Body, Incoming};
use hyper::header;
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};
use tokio::task::spawn_local;

use crate::attempt::{Answer, Dispatch};
use crate::body::{ContinueGate, RequestBody, ResponseBody, UpstreamBody};
use crate::check;
use crate::client::Client;
use crate::deadline::Deadline;
use crate::error_page::{self, Accept};
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::forward_headers::{self, prepare_request, prepare_response};
use crate::gate::{self, Arriving};
use crate::origin::Origin;
use crate::progress::Progress;
use crate::refusal::Refusal;
use crate::response_headers;
use crate::table::Route;
use crate::upgrade::Tunnel;

/// Answers one request. This is the edge where a fault becomes an answer.
pub(crate) async fn serve(client: Rc<Client>, request: Request<Incoming>) -> Response<ResponseBody> {
    let number = client.next_request();
    let (parts, body) = request.into_parts();
    let accept = parts.headers.get(header::ACCEPT).cloned();
    let request_id = forward_headers::request_id(&parts.headers);
    let mut exchange = Exchange::begin(&client, &parts, &request_id);
    let pass = pass_on(&client, number, parts, body, &mut exchange);
    match outlive_panics(pass).await {
        Ok(passed) => passed.into_response(&client, exchange),
        Err(refusal) => {
            let page = error_page::answer(&refusal, Accept::of(accept.as_ref()), &request_id);
            exchange.set_status(page.status().as_u16());
            if let Refusal::Fault(fault) = refusal {
                exchange.set_fault(fault);
            }
            exchange.add_bytes(page.body().size_hint().exact().unwrap_or_default());
            page
        }
    }
}

/// Turns a panic into a fault: it ends this request and no other.
///
/// The state that it may leave half-changed is the request's own; what requests share is changed in single steps.
async fn outlive_panics<T>(pass: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    AssertUnwindSafe(pass).catch_unwind().await.unwrap_or(Err(Refusal::Fault(Fault::Internal)))
}

/// An answer of an instance, before it is tied to the client.
struct Passed {
    answer: Answer,
    progress: Rc<Progress>,
    /// The client's side of the upgrade that was asked for.
    upgrade: Option<OnUpgrade>,
    route: Arc<Route>,
    origin: Origin,
    client_version: Version,
}

async fn pass_on(
    client: &Rc<Client>,
    number: u64,
    mut parts: Parts,
    body: Incoming,
    exchange: &mut Exchange,
) -> Result<Passed, Refusal> {
    let offence = client.flags.offences.of(number);
    let host = check::check(&parts, offence, client.scheme)?;
    if !client.may_ask_for(&host.name) {
        return Err(Fault::Misdirected.into());
    }
    gate::challenge(client, parts.uri.path())?;
    let host = host.name.into_owned();
    let target = target(&parts.uri);
    let dispatch = Dispatch::find(client, host, target).await?;
    let route = Arc::clone(dispatch.route());
    exchange.set_app(&route.app);
    let origin = Origin::of(client, &parts.headers);
    gate::pass(Arriving { route: &route, request: &parts, host: dispatch.host(), origin })?;

    let client_version = parts.version;
    let protocol = check::wanted_upgrade(&parts, !body.is_end_stream());
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| protocol.is_some());
    parts.extensions.clear();
    let progress = Rc::new(Progress::new(body.is_end_stream()));
    let expects = !body.is_end_stream()
        && parts.version == Version::HTTP_11
        && parts.headers.contains_key(header::EXPECT);

    parts.version = Version::HTTP_11;
    parts.uri = Uri::from(dispatch.target());
    let id = exchange.request_id();
    prepare_request(&mut parts.headers, &client.forwarded_by, &id, protocol, unix_milliseconds());
    if let Some(certificate) = client.encryption.as_ref().and_then(|encryption| encryption.client.as_ref()) {
        certificate.tell(&mut parts.headers);
    }
    let gate = expects.then(Arc::<ContinueGate>::default);
    let mut request = Request::from_parts(parts, RequestBody::new(body, Rc::clone(&progress), gate.clone()));
    if let Some(gate) = gate {
        hyper::ext::on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                gate.open();
            }
        });
    }
    let answer = dispatch.send(request, &progress, exchange).await?;
    if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && upgrade.is_none() {
        // Nobody asked for it; what would follow on the connection is nobody's answer.
        answer.lease.abort();
        return Err(Fault::BadResponse.into());
    }
    Ok(Passed { answer, progress, upgrade, route, origin, client_version })
}

impl Passed {
    fn into_response(self, client: &Rc<Client>, mut exchange: Exchange) -> Response<ResponseBody> {
        let Answer { response, lease, in_flight } = self.answer;
        let (mut parts, incoming) = response.into_parts();
        // A proxy speaks its own version, whatever the app behind it speaks (RFC 9110, section 6.2).
        parts.version = Version::HTTP_11;
        let is_upgrade = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        exchange.set_status(parts.status.as_u16());
        prepare_response(&mut parts.headers, &exchange.request_id(), is_upgrade);
        response_headers::apply(&self.route.policy, self.origin, &mut parts.headers);
        if let (true, Some(client_end)) = (is_upgrade, self.upgrade) {
            let Some(upstream) = parts.extensions.remove::<OnUpgrade>() else {
                return Response::from_parts(parts, ResponseBody::empty());
            };
            client.flags.tunnel.store(true, Ordering::Relaxed);
            let flags = Arc::clone(&client.flags);
            let idle = self.route.policy.timeouts.tunnel_idle;
            let tunnel = Tunnel { client: client_end, upstream, in_flight, exchange, flags, idle };
            let count = client.worker.count_connection();
            spawn_local(async move {
                tunnel.run().await;
                drop(count);
            });
            return Response::from_parts(parts, ResponseBody::empty());
        }
        if self.client_version == Version::HTTP_10 && !parts.headers.contains_key(header::CONTENT_LENGTH) {
            // Such an answer ends with the connection. Until its end was seen, that end must not look orderly.
            client.flags.reset.store(!incoming.is_end_stream(), Ordering::Relaxed);
        }
        let body = UpstreamBody {
            incoming,
            lease: Some(lease),
            pool: Rc::clone(&client.worker.pool),
            in_flight,
            exchange,
            progress: self.progress,
            flags: Arc::clone(&client.flags),
            idle: self.route.policy.timeouts.idle,
            deadline: Deadline::default(),
            ended: false,
        };
        Response::from_parts(parts, ResponseBody::upstream(body))
    }
}

/// The target as an origin server gets it: without scheme and authority.
fn target(uri: &Uri) -> PathAndQuery {
    match uri.path_and_query() {
        // `http://host?query` has no path; an origin server gets one (RFC 9112, section 3.2.1).
        Some(target) if target.as_str().starts_with('?') => {
            format!("/{}", target.as_str()).try_into().unwrap_or_else(|_| PathAndQuery::from_static("/"))
        }
        Some(target) => target.clone(),
        None => PathAndQuery::from_static("/"),
    }
}

fn unix_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_fault_of_one_request() {
        let result = outlive_panics::<()>(async { panic!("as a test") }).await;
        assert_eq!(result, Err(Refusal::Fault(Fault::Internal)));
        assert_eq!(outlive_panics(async { Ok(1) }).await, Ok(1));
    }

    #[test]
    fn an_origin_server_gets_a_path() {
        let form = |uri: &str| target(&uri.parse().unwrap()).to_string();
        assert_eq!(form("/a?b"), "/a?b");
        assert_eq!(form("http://x/a?b"), "/a?b");
        assert_eq!(form("http://x?b"), "/?b");
        assert_eq!(form("http://x"), "/");
        assert_eq!(form("*"), "*");
    }
}
