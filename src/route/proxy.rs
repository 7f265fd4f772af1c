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

use super::attempt::{Answer, Dispatch};
use super::body::{ContinueGate, RequestBody, ResponseBody, UpstreamBody};
use super::check;
use super::client::Client;
use super::deadline::Deadline;
use super::error_page::{self, Accept};
use super::exchange::Exchange;
use super::fault::Fault;
use super::forward_headers::{self, prepare_request, prepare_response};
use super::progress::Progress;
use super::upgrade::Tunnel;

/// Answers one request. This is the edge where a fault becomes an answer.
pub(super) async fn serve(client: Rc<Client>, request: Request<Incoming>) -> Response<ResponseBody> {
    let number = client.next_request();
    let (parts, body) = request.into_parts();
    let accept = parts.headers.get(header::ACCEPT).cloned();
    let request_id = forward_headers::request_id(&parts.headers);
    let mut exchange = Exchange::begin(&client, &parts, &request_id);
    let pass = pass_on(&client, number, parts, body, &mut exchange);
    match outlive_panics(pass).await {
        Ok(passed) => passed.into_response(&client, exchange),
        Err(fault) => {
            let page = error_page::answer(fault, Accept::of(accept.as_ref()), &request_id);
            exchange.set_status(page.status().as_u16());
            exchange.set_fault(fault);
            exchange.add_bytes(page.body().size_hint().exact().unwrap_or_default());
            page
        }
    }
}

/// Turns a panic into a fault: it ends this request and no other.
///
/// The state that it may leave half-changed is the request's own; what requests share is changed in single steps.
async fn outlive_panics<T>(pass: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    AssertUnwindSafe(pass).catch_unwind().await.unwrap_or(Err(Fault::Internal))
}

/// An answer of an instance, before it is tied to the client.
struct Passed {
    answer: Answer,
    progress: Rc<Progress>,
    /// The client's side of the upgrade that was asked for.
    upgrade: Option<OnUpgrade>,
    client_version: Version,
}

async fn pass_on(
    client: &Rc<Client>,
    number: u64,
    mut parts: Parts,
    body: Incoming,
    exchange: &mut Exchange,
) -> Result<Passed, Fault> {
    let offence = client.flags.offences.of(number);
    let host = check::check(&parts, offence, client.scheme)?;
    if !client.may_ask_for(&host.name) {
        return Err(Fault::Misdirected);
    }
    let dispatch = Dispatch::find(client, host.name.into_owned()).await?;
    exchange.set_app(&dispatch.route().app);

    let client_version = parts.version;
    let protocol = check::wanted_upgrade(&parts, !body.is_end_stream());
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| protocol.is_some());
    parts.extensions.clear();
    let progress = Rc::new(Progress::new(body.is_end_stream()));
    let expects = !body.is_end_stream()
        && parts.version == Version::HTTP_11
        && parts.headers.contains_key(header::EXPECT);

    parts.version = Version::HTTP_11;
    parts.uri = origin_form(&parts.uri);
    let id = exchange.request_id();
    prepare_request(&mut parts.headers, &client.forwarded_by, &id, protocol, unix_milliseconds());
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
        return Err(Fault::BadResponse);
    }
    Ok(Passed { answer, progress, upgrade, client_version })
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
        if let (true, Some(client_end)) = (is_upgrade, self.upgrade) {
            let Some(upstream) = parts.extensions.remove::<OnUpgrade>() else {
                return Response::from_parts(parts, ResponseBody::empty());
            };
            client.flags.tunnel.store(true, Ordering::Relaxed);
            let flags = Arc::clone(&client.flags);
            let idle = client.worker.settings.timeouts.tunnel_idle;
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
            idle: client.worker.settings.timeouts.idle,
            deadline: Deadline::default(),
            ended: false,
        };
        Response::from_parts(parts, ResponseBody::upstream(body))
    }
}

/// The target as an origin server gets it: without scheme and authority.
fn origin_form(uri: &Uri) -> Uri {
    if uri.scheme().is_none() {
        return uri.clone();
    }
    let target = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    // `http://host?query` has no path; an origin server gets one (RFC 9112, section 3.2.1).
    Uri::from(target)
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
        assert_eq!(result, Err(Fault::Internal));
        assert_eq!(outlive_panics(async { Ok(1) }).await, Ok(1));
    }

    #[test]
    fn an_origin_server_gets_a_path() {
        let form = |target: &str| origin_form(&target.parse().unwrap()).to_string();
        assert_eq!(form("/a?b"), "/a?b");
        assert_eq!(form("http://x/a?b"), "/a?b");
        assert_eq!(form("http://x?b"), "/?b");
        assert_eq!(form("http://x"), "/");
        assert_eq!(form("*"), "*");
    }
}
