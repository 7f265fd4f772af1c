//! One request: checked, routed, sent to an instance, and its answer or the router's own handed back.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use hyper::body::{Body, Incoming};
use hyper::header;
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};

use crate::attempt::{Dispatch, wait_for_table};
use crate::body::ResponseBody;
use crate::buffering::{self, may_be_taken, take_request};
use crate::check;
use crate::client::Client;
use crate::client_body::{ClientBody, RawBody};
use crate::error_page::{self, Accept, Reader};
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::forward_headers::{Passing, prepare_request};
use crate::gate::{self, Arriving, Passage};
use crate::health_check;
use crate::origin::Origin;
use crate::passed::Passed;
use crate::policy::bodies::Bodies;
use crate::policy::headers::Headers;
use crate::progress::Progress;
use crate::refusal::Refusal;
use crate::request_body::{ContinueGate, RequestBody};
use crate::request_id::request_id;
use crate::table::Route;
use crate::treatment::Wish;

/// Answers one request of HTTP/1.1.
pub(crate) fn serve(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Response<ResponseBody>> {
    let (parts, body) = request.into_parts();
    answer(client, parts, RawBody::Http1(body))
}

/// Answers one request. This is the edge where a fault becomes an answer.
///
/// What it gives back is moved several times before it begins, by hyper and by the runtime, and an HTTP/2 request is
/// a task of that size. So what only some requests wait for is in boxes here and below, and nothing is handed down by
/// value to be held on both levels; a test says how large it may be.
pub(crate) fn answer(
    client: Rc<Client>,
    parts: Parts,
    body: RawBody,
) -> impl Future<Output = Response<ResponseBody>> {
    let number = client.next_request();
    let accept = parts.headers.get(header::ACCEPT).cloned();
    let request_id = request_id(&parts.headers, &client.worker.values);
    let origin = Origin::of(&client, &parts.headers);
    let mut exchange = Exchange::begin(&client, &parts, &request_id, origin);
    let mut asked = Asked { number, parts, has_body: !body.is_end_stream(), body };
    async move {
        let mut route = None;
        let passed = outlive_panics(pass_on(&client, &mut asked, &mut exchange, &mut route)).await;
        match (passed, &route) {
            (Ok(passed), Some(route)) => passed.into_response(&client, &route.policy, exchange),
            (passed, route) => {
                let refusal = passed.err().unwrap_or(Refusal::Fault(Fault::Internal));
                let site = route.as_ref().map(|route| (&*route.policy, exchange.origin()));
                let request_id = exchange.request_id();
                let reader = Reader { accept: Accept::of(accept.as_ref()), request_id: &request_id, site };
                refuse(&refusal, reader, exchange)
            }
        }
    }
}

/// The router's own answer.
fn refuse(refusal: &Refusal, reader: Reader<'_>, mut exchange: Exchange) -> Response<ResponseBody> {
    let page = error_page::answer(refusal, reader);
    exchange.set_status(page.status().as_u16());
    if let Some(fault) = refusal.fault() {
        exchange.set_fault(fault);
    }
    if !exchange.is_head() {
        exchange.add_bytes(page.body().size_hint().exact().unwrap_or_default());
    }
    page
}

/// Turns a panic into a fault: it ends this request and no other.
///
/// The state that it may leave half-changed is the request's own; what requests share is changed in single steps.
fn outlive_panics<T>(
    pass: impl Future<Output = Result<T, Refusal>>,
) -> impl Future<Output = Result<T, Refusal>> {
    let outcome = AssertUnwindSafe(pass).catch_unwind();
    outcome.map(|outcome| outcome.unwrap_or(Err(Refusal::Fault(Fault::Internal))))
}

/// A request as it came.
struct Asked {
    /// Its number on its connection.
    number: u64,
    /// Its head, until it becomes that of the instance's request.
    parts: Parts,
    has_body: bool,
    /// Its body, until that is what the instance's request takes.
    body: RawBody,
}

impl Asked {
    /// Whether the client waits to be asked for its body.
    fn expects_continue(&self) -> bool {
        self.has_body
            && self.parts.version >= Version::HTTP_11
            && self.parts.headers.contains_key(header::EXPECT)
    }

    /// Whether its body is to be taken before an instance is asked.
    fn is_taken_first(&self, bodies: &Bodies) -> bool {
        bodies.buffer_requests && self.has_body && may_be_taken(&self.parts.headers)
    }
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
fn open_when_asked(request: &mut Request<RequestBody>) {
    let Some(gate) = request.body().gate() else { return };
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            gate.open();
        }
    });
}

/// What has to be done to a request before it is sent, and after its answer has begun, is done at once; of its waits
/// only the one for the answer is not rare.
async fn pass_on(
    client: &Rc<Client>,
    asked: &mut Asked,
    exchange: &mut Exchange,
    route: &mut Option<Arc<Route>>,
) -> Result<Passed, Refusal> {
    let host = checked_host(client, asked.number, &asked.parts)?;
    let target = target(&asked.parts.uri);
    if client.worker.table.load().is_first() {
        Box::pin(wait_for_table(client)).await?;
    }
    let mut dispatch = Dispatch::find(client, host, target)?;
    dispatch.pass_interims(asked.parts.version, &asked.body);
    let route = route.insert(Arc::clone(dispatch.route()));
    let policy = &*route.policy;
    exchange.set_route(route, &asked.parts.headers);
    if route.has_rules {
        Box::pin(pass_gate(&mut asked.parts, &dispatch, exchange, route)).await?;
    }
    gate::client_certificate(client, policy)?;
    dispatch.take_cookie(&mut asked.parts.headers, exchange.origin().is_encrypted());

    let progress = Rc::new(Progress::new(!asked.has_body));
    let body = ClientBody::new(std::mem::take(&mut asked.body), Rc::clone(&progress), policy);
    let body = if asked.is_taken_first(&policy.bodies) {
        let limits = buffering::limits(&policy.bodies, &client.worker.settings);
        Box::pin(take_request(&mut asked.parts.headers, body, &progress, limits)).await?
    } else {
        let gate = asked.expects_continue().then(Arc::<ContinueGate>::default);
        RequestBody::new(body, Rc::clone(&progress), gate)
    };

    let (client_version, wish) = (asked.parts.version, Wish::of(&asked.parts, &policy.bodies));
    let (request, upgrade) = request_for_instance(asked, body, &dispatch, exchange, &policy.headers);
    let answer = dispatch.send(request, &progress, exchange).await?;
    if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && upgrade.is_none() {
        // Nobody asked for it; what would follow on the connection is nobody's answer.
        answer.lease.abort();
        return Err(Fault::BadResponse.into());
    }
    Ok(Passed { answer, progress, upgrade, client_version, wish })
}

/// Lets a request pass what its app has set about requests.
async fn pass_gate(
    parts: &mut Parts,
    dispatch: &Dispatch<'_>,
    exchange: &mut Exchange,
    route: &Route,
) -> Result<(), Refusal> {
    let arriving = Arriving { route, request: parts, host: dispatch.host(), origin: exchange.origin() };
    let Passage { place, own_cookie } = gate::pass(arriving).await?;
    exchange.hold(place);
    gate::remove_cookie(&mut parts.headers, own_cookie);
    Ok(())
}

/// Makes of a client's request what its instance gets, and takes the client's side of the upgrade that it asks for.
fn request_for_instance(
    asked: &mut Asked,
    mut body: RequestBody,
    dispatch: &Dispatch<'_>,
    exchange: &mut Exchange,
    policy: &Headers,
) -> (Request<RequestBody>, Option<OnUpgrade>) {
    let client = dispatch.client();
    let mut parts = std::mem::replace(&mut asked.parts, Request::new(()).into_parts().0);
    let protocol = check::wanted_upgrade(&parts, asked.has_body);
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| protocol.is_some());
    if !policy.preserve_case {
        // Among them the names of headers as they came.
        parts.extensions.clear();
    }
    parts.version = Version::HTTP_11;
    parts.uri = Uri::from(dispatch.target());
    let passing = Passing {
        by: &client.forwarded_by,
        origin: exchange.origin(),
        request_id: exchange.request_id(),
        values: &client.worker.values,
        prefix: dispatch.prefix(),
        upgrade: protocol,
        policy,
        began: exchange.began(),
    };
    prepare_request(&mut parts.headers, passing);
    exchange.set_trace(&parts.headers);
    client.tell_certificate(&mut parts.headers);
    body.count(|| dispatch.counted());
    let mut request = Request::from_parts(parts, body);
    open_when_asked(&mut request);
    (request, upgrade)
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

    /// It is moved by hyper and the runtime several times. What is awaited here or below and is not awaited by nearly
    /// every request belongs in a box; `-Zprint-type-sizes` says what takes the room.
    #[test]
    fn what_a_request_waits_in_is_small() {
        fn size<F>(_: impl Fn(Rc<Client>, Request<Incoming>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(serve) <= 2048, "{}", size(serve));
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
