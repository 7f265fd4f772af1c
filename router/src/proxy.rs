//! One request: checked, routed, sent to an instance, and its answer or the router's own handed back.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use hyper::body::{Body, Incoming};
use hyper::header;
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};
use tokio::task::spawn_local;

use crate::attempt::{Answer, Dispatch};
use crate::body::{ResponseBody, UpstreamBody};
use crate::buffering::{self, may_be_taken, take_request};
use crate::check;
use crate::client::Client;
use crate::client_body::ClientBody;
use crate::deadline::Deadline;
use crate::delivery::Delivery;
use crate::error_page::{self, Accept, Reader};
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::forward_headers::{Passing, prepare_request, prepare_response};
use crate::gate::{self, Arriving, Passage};
use crate::health_check;
use crate::origin::Origin;
use crate::progress::Progress;
use crate::refusal::Refusal;
use crate::request_body::{ContinueGate, RequestBody};
use crate::request_id::request_id;
use crate::response_headers;
use crate::table::Route;
use crate::treatment::Wish;
use crate::upgrade::Tunnel;

/// Answers one request. This is the edge where a fault becomes an answer.
pub(crate) async fn serve(client: Rc<Client>, request: Request<Incoming>) -> Response<ResponseBody> {
    let number = client.next_request();
    let (parts, body) = request.into_parts();
    let accept = parts.headers.get(header::ACCEPT).cloned();
    let request_id = request_id(&parts.headers);
    let origin = Origin::of(&client, &parts.headers);
    let mut exchange = Exchange::begin(&client, &parts, &request_id, origin);
    let mut site = None;
    let pass = pass_on(&client, Asked { number, parts, body }, &mut exchange, &mut site);
    let passed = outlive_panics(pass).await;
    match (passed, &site) {
        (Ok(passed), Some(site)) => passed.into_response(&client, site, exchange),
        (passed, site) => {
            let refusal = passed.err().unwrap_or(Refusal::Fault(Fault::Internal));
            let site = site.as_ref().map(|site| (&*site.route.policy, site.origin));
            let reader = Reader { accept: Accept::of(accept.as_ref()), request_id: &request_id, site };
            let page = error_page::answer(&refusal, reader);
            exchange.set_status(page.status().as_u16());
            if let Some(fault) = refusal.fault() {
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

/// A request as it came.
struct Asked {
    /// Its number on its connection.
    number: u64,
    parts: Parts,
    body: Incoming,
}

/// What a request arrived at.
struct Site {
    route: Arc<Route>,
    origin: Origin,
}

/// An answer of an instance, before it is tied to the client.
struct Passed {
    answer: Answer,
    progress: Rc<Progress>,
    /// The client's side of the upgrade that was asked for.
    upgrade: Option<OnUpgrade>,
    client_version: Version,
    wish: Wish,
}

/// Whether the client waits to be asked for its body.
fn expects_continue(request: &Parts, body: &ClientBody) -> bool {
    !body.is_end_stream()
        && request.version == Version::HTTP_11
        && request.headers.contains_key(header::EXPECT)
}

/// The host of a request that breaks no rule, and whose client may ask for it.
fn checked_host(client: &Client, number: u64, parts: &Parts) -> Result<String, Refusal> {
    let offence = client.flags.offences.of(number);
    if offence.is_none() && health_check::is_asked(parts) {
        return Err(health_check::refusal(&client.worker));
    }
    let host = check::check(parts, offence, client.scheme)?;
    if !client.may_ask_for(&host.name) {
        return Err(Fault::Misdirected.into());
    }
    gate::challenge(client, parts.uri.path())?;
    Ok(host.name.into_owned())
}

/// Lets the body through as soon as the instance asks for it.
fn open_when_asked(request: &mut Request<RequestBody>, gate: Option<Arc<ContinueGate>>) {
    let Some(gate) = gate else { return };
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            gate.open();
        }
    });
}

async fn pass_on(
    client: &Rc<Client>,
    asked: Asked,
    exchange: &mut Exchange,
    site: &mut Option<Site>,
) -> Result<Passed, Refusal> {
    let Asked { number, mut parts, body } = asked;
    let host = checked_host(client, number, &parts)?;
    let target = target(&parts.uri);
    let mut dispatch = Dispatch::find(client, host, target).await?;
    let Site { route, origin } =
        site.insert(Site { route: Arc::clone(dispatch.route()), origin: exchange.origin() });
    exchange.set_route(route, &parts.headers);
    let arriving = Arriving { route, request: &parts, host: dispatch.host(), origin: *origin };
    let Passage { place, own_cookie } = gate::pass(arriving).await?;
    gate::client_certificate(client, &route.policy)?;
    exchange.hold(place);
    gate::remove_cookie(&mut parts.headers, own_cookie);

    dispatch.take_cookie(&mut parts.headers, origin.is_encrypted());
    let client_version = parts.version;
    let protocol = check::wanted_upgrade(&parts, !body.is_end_stream());
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| protocol.is_some());
    if !route.policy.headers.preserve_case {
        // Among them the names of headers as they came.
        parts.extensions.clear();
    }
    let progress = Rc::new(Progress::new(body.is_end_stream()));
    let client_body = ClientBody::new(body, Rc::clone(&progress), &route.policy);
    let wish = Wish::of(&parts, &route.policy.bodies);
    let bodies = &route.policy.bodies;
    let (mut body, gate) = if bodies.buffer_requests && may_be_taken(&parts.headers, &client_body) {
        let limits = buffering::limits(bodies, &client.worker.settings);
        (take_request(&mut parts.headers, client_body, &progress, limits).await?, None)
    } else {
        let gate = expects_continue(&parts, &client_body).then(Arc::<ContinueGate>::default);
        (RequestBody::new(client_body, Rc::clone(&progress), gate.clone()), gate)
    };

    body.count(|| dispatch.counted());
    parts.version = Version::HTTP_11;
    parts.uri = Uri::from(dispatch.target());
    let passing = Passing {
        by: &client.forwarded_by,
        origin: *origin,
        request_id: exchange.request_id(),
        prefix: dispatch.prefix(),
        upgrade: protocol,
        policy: &route.policy.headers,
        began: exchange.began(),
    };
    prepare_request(&mut parts.headers, passing);
    exchange.set_trace(&parts.headers);
    client.tell_certificate(&mut parts.headers);
    let mut request = Request::from_parts(parts, body);
    open_when_asked(&mut request, gate);
    let answer = dispatch.send(request, &progress, exchange).await?;
    if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && upgrade.is_none() {
        // Nobody asked for it; what would follow on the connection is nobody's answer.
        answer.lease.abort();
        return Err(Fault::BadResponse.into());
    }
    Ok(Passed { answer, progress, upgrade, client_version, wish })
}

impl Passed {
    fn into_response(
        self,
        client: &Rc<Client>,
        site: &Site,
        mut exchange: Exchange,
    ) -> Response<ResponseBody> {
        let Answer { response, lease, in_flight, cookie } = self.answer;
        let (mut parts, incoming) = response.into_parts();
        // A proxy speaks its own version, whatever the app behind it speaks (RFC 9110, section 6.2).
        parts.version = Version::HTTP_11;
        let is_upgrade = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        exchange.set_status(parts.status.as_u16());
        prepare_response(&mut parts.headers, &exchange.request_id(), is_upgrade);
        response_headers::apply(&site.route.policy, site.origin, &mut parts.headers);
        if let Some(cookie) = cookie {
            parts.headers.append(header::SET_COOKIE, cookie);
        }
        if let (true, Some(client_end)) = (is_upgrade, self.upgrade) {
            let Some(upstream) = parts.extensions.remove::<OnUpgrade>() else {
                return Response::from_parts(parts, ResponseBody::empty());
            };
            client.flags.tunnel.store(true, Ordering::Relaxed);
            let flags = Arc::clone(&client.flags);
            let idle = site.route.policy.timeouts.tunnel_idle;
            let tunnel = Tunnel { client: client_end, upstream, in_flight, exchange, flags, idle };
            let count = client.worker.count_connection();
            // The client holds the connection's places in counts, and hyper's own hold ends here.
            let client = Rc::clone(client);
            spawn_local(async move {
                tunnel.run().await;
                drop((client, count));
            });
            return Response::from_parts(parts, ResponseBody::empty());
        }
        let treatment = self.wish.treatment(&mut parts, &site.route.policy.bodies, &client.worker.settings);
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
            idle: site.route.policy.timeouts.idle,
            deadline: Deadline::default(),
            ended: false,
        };
        if treatment.is_none() || body.incoming.is_end_stream() {
            return Response::from_parts(parts, ResponseBody::upstream(body));
        }
        Response::from_parts(parts, ResponseBody::delivery(Delivery::new(body, treatment)))
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
