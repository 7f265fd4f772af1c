//! What would become of a request, for people who ask. The request is made up; the rules are the ones that real
//! requests go through, so that the answer is theirs. A limit of rates counts it as it would any other.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri};

use crate::check;
use crate::clock;
use crate::error_page::{self, Accept, Reader};
use crate::fault::Fault;
use crate::gate::{self, Arriving};
use crate::health_check;
use crate::origin::Origin;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::status::Condition;
use crate::table::{AppState, Entrance, Place, PortRoute, Route, Table};

/// A request that might come.
#[derive(Clone, Debug)]
pub struct Question {
    /// The method.
    pub method: Method,
    /// The host, with a port if it has one.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// Where it would come in.
    pub entrance: Entrance,
    /// Who would send it.
    pub from: IpAddr,
}

/// What would become of it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Where it leads, if it leads anywhere.
    pub found: Option<Found>,
    /// What the client would get.
    pub verdict: Verdict,
}

/// Where a request leads.
#[derive(Clone, Debug)]
pub struct Found {
    /// The app.
    pub app: Arc<str>,
    /// The host of the route, which may be a wildcard.
    pub host: String,
    /// The path of the route.
    pub path: String,
    /// The target as an instance would see it.
    pub target: String,
    /// The port of the containers and what is spoken there, if the app is served at the entrance.
    pub port: Option<PortRoute>,
    /// Why there may be no instance.
    pub state: AppState,
    /// The instances that take requests.
    pub instances: Vec<FoundInstance>,
    /// What is set about the app's requests.
    pub policy: Arc<Policy>,
}

/// An instance that takes requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundInstance {
    /// Its name for people.
    pub label: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// What is thought of it.
    pub condition: Condition,
    /// Requests under way to it.
    pub in_flight: usize,
}

/// What the client would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An instance's answer.
    Passes,
    /// An instance's answer, once there is one.
    Waits,
    /// The router's own answer.
    Answered {
        /// Its status.
        status: u16,
        /// Its code, if it is an error.
        code: Option<&'static str>,
        /// The same as a sentence.
        description: Option<&'static str>,
        /// Where the client is sent.
        location: Option<String>,
    },
}

/// Says what would become of a request with this table.
pub(crate) fn explain(table: &Table, question: &Question) -> Explanation {
    let Some(request) = request(question) else {
        let refusal = Fault::BadRequest("The host or the path cannot be asked for").into();
        return Explanation { found: None, verdict: verdict(&refusal, None) };
    };
    if health_check::is_asked(&request) {
        let refusal = Refusal::Health { ready: !table.is_first() };
        return Explanation { found: None, verdict: verdict(&refusal, None) };
    }
    let origin = origin(question);
    let name = match check::check(&request, None, origin.scheme) {
        Ok(host) => host.name.into_owned(),
        Err(fault) => return Explanation { found: None, verdict: verdict(&fault.into(), None) },
    };
    if table.is_first() {
        return Explanation { found: None, verdict: Verdict::Waits };
    }
    let Some(place) = table.find(&name, request.uri.path()) else {
        return Explanation { found: None, verdict: verdict(&Fault::UnknownHost.into(), None) };
    };
    let found = found(table, place, &name, question, request.uri.path_and_query());
    let outcome = arrive(&place.route, &request, &name, origin, found.port);
    let verdict = outcome.unwrap_or_else(|refusal| verdict(&refusal, Some((&place.route.policy, origin))));
    Explanation { found: Some(found), verdict }
}

fn request(question: &Question) -> Option<Parts> {
    let target: Uri = question.target.parse().ok()?;
    let host = HeaderValue::from_str(&question.host).ok()?;
    let request = Request::builder().method(question.method.clone()).uri(target).header(header::HOST, host);
    Some(request.body(()).ok()?.into_parts().0)
}

fn origin(question: &Question) -> Origin {
    let scheme = if question.entrance.is_encrypted() { "https" } else { "http" };
    let port = match question.entrance {
        Entrance::Http => 80,
        Entrance::Https => 443,
        Entrance::Port(port) | Entrance::EncryptedPort(port) => port,
    };
    Origin::direct(question.from, scheme, port)
}

fn found(
    table: &Table,
    place: &Place,
    name: &str,
    question: &Question,
    asked: Option<&PathAndQuery>,
) -> Found {
    let (route, now) = (&place.route, clock::now());
    let instances = route.instances.iter().filter(|instance| !instance.is_retired());
    let instances = instances.map(|instance| FoundInstance {
        label: Arc::clone(&instance.label),
        address: instance.address,
        condition: instance.health.condition(now),
        in_flight: instance.in_flight(),
    });
    Found {
        app: Arc::clone(&route.app),
        host: table.pattern(name),
        path: place.path.to_string(),
        target: asked.map_or_else(|| "/".to_owned(), |asked| place.target(asked).to_string()),
        port: route.port(question.entrance),
        state: route.state,
        instances: instances.collect(),
        policy: Arc::clone(&route.policy),
    }
}

/// What happens to it from the gate on.
fn arrive(
    route: &Route,
    request: &Parts,
    host: &str,
    origin: Origin,
    port: Option<PortRoute>,
) -> Result<Verdict, Refusal> {
    port.ok_or(Fault::UnknownHost)?;
    // What the gate waits for is the check of a password, and there is none here.
    if let Some(passage) = gate::pass(Arriving { route, request, host, origin }).now_or_never() {
        passage?;
    }
    // Over TLS the handshake asks for it, and nobody comes as far without one.
    if route.policy.access.client_certificate && !origin.is_encrypted() {
        return Err(Fault::Misdirected.into());
    }
    if route.instances.iter().any(|instance| !instance.is_retired()) {
        return Ok(Verdict::Passes);
    }
    match route.fault_without_instance() {
        Fault::Starting => Ok(Verdict::Waits),
        fault => Err(fault.into()),
    }
}

/// Reads the very answer that a client would get.
fn verdict(refusal: &Refusal, site: Option<(&Policy, Origin)>) -> Verdict {
    let request_id = HeaderValue::from_static("-");
    let answer = error_page::answer(refusal, Reader { accept: Accept::Html, request_id: &request_id, site });
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    Verdict::Answered {
        status: answer.status().as_u16(),
        code: refusal.fault().map(Fault::code),
        description: refusal.fault().map(Fault::description),
        location: location.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::instance::Instance;
    use crate::memory::Memories;
    use crate::policy::maintenance::Maintenance;
    use crate::settings::SigningKey;
    use crate::table::{AppRoutes, HostRoute, InstanceRoute, Protocol, TableSpec};

    fn table(change: impl FnOnce(&mut AppRoutes)) -> Table {
        let port = PortRoute { entrance: Entrance::Http, container_port: 5000, protocol: Protocol::Http1 };
        let place = |host: &str, path: &str| HostRoute {
            host: host.parse().unwrap(),
            path: path.parse().unwrap(),
            strip: true,
        };
        let address = IpAddr::from([10, 0, 0, 2]);
        let mut app = AppRoutes {
            app: Arc::from("blog"),
            hosts: vec![place("blog.example", "/"), place("*.wild.example", "/api")],
            ports: vec![port],
            instances: vec![InstanceRoute { id: "c1".to_owned(), label: "web.1".to_owned(), address }],
            state: AppState::Running,
            policy: Arc::default(),
        };
        change(&mut app);
        let spec = TableSpec { apps: vec![app] };
        let key = SigningKey::random();
        Table::build(&spec, &Memories::new(), &key, |spec| Arc::new(Instance::new(spec))).unwrap()
    }

    fn ask(table: &Table, host: &str, target: &str, entrance: Entrance) -> Explanation {
        let from = IpAddr::from([192, 0, 2, 1]);
        let (host, target) = (host.to_owned(), target.to_owned());
        explain(table, &Question { method: Method::GET, host, target, entrance, from })
    }

    fn code(explanation: &Explanation) -> Option<&'static str> {
        match explanation.verdict {
            Verdict::Answered { code, .. } => code,
            Verdict::Passes | Verdict::Waits => None,
        }
    }

    #[test]
    fn a_request_is_followed_to_its_instance() {
        let table = table(|_| {});
        let explanation = ask(&table, "A.wild.example:80", "/api/x?y", Entrance::Http);
        assert_eq!(explanation.verdict, Verdict::Passes);
        let found = explanation.found.unwrap();
        assert_eq!(
            (&*found.app, found.host.as_str(), found.path.as_str()),
            ("blog", "*.wild.example", "/api")
        );
        assert_eq!((found.target.as_str(), found.instances.len()), ("/x?y", 1));
        assert_eq!(found.port.map(|port| port.container_port), Some(5000));
    }

    #[test]
    fn what_leads_nowhere_is_answered_as_it_would_be() {
        let table = table(|_| {});
        assert_eq!(code(&ask(&table, "nobody.example", "/", Entrance::Http)), Some("unknown-host"));
        assert_eq!(code(&ask(&table, "a.wild.example", "/other", Entrance::Http)), Some("unknown-host"));
        assert_eq!(code(&ask(&table, "blog.example", "/", Entrance::Https)), Some("unknown-host"));
        assert_eq!(code(&ask(&table, "b@d", "/", Entrance::Http)), Some("H26"));
        assert_eq!(ask(&Table::default(), "blog.example", "/", Entrance::Http).verdict, Verdict::Waits);
    }

    #[test]
    fn the_router_s_own_health_is_not_an_app_s() {
        let asked = ask(&table(|_| {}), "blog.example", "/.well-known/slipway/health", Entrance::Http);
        assert!(asked.found.is_none());
        assert!(matches!(asked.verdict, Verdict::Answered { status: 200, code: None, .. }), "{asked:?}");
    }

    #[test]
    fn rules_and_missing_instances_are_told() {
        let with = |policy: Policy| table(|app| app.policy = Arc::new(policy));
        let closed = with(Policy { maintenance: Some(Maintenance::default()), ..Policy::default() });
        assert_eq!(code(&ask(&closed, "blog.example", "/", Entrance::Http)), Some("H80"));
        let mut guarded = Policy::default();
        guarded.access.deny = vec!["192.0.2.0/24".parse().unwrap()];
        assert_eq!(code(&ask(&with(guarded), "blog.example", "/", Entrance::Http)), Some("address-denied"));
        let mut of_clients = Policy::default();
        of_clients.access.client_certificate = true;
        assert_eq!(code(&ask(&with(of_clients), "blog.example", "/", Entrance::Http)), Some("misdirected"));
        let state = |state| table(|app| (app.instances, app.state) = (Vec::new(), state));
        let verdict = |table: Table| ask(&table, "blog.example", "/", Entrance::Http).verdict;
        assert_eq!(verdict(state(AppState::Starting)), Verdict::Waits);
        assert_eq!(code(&ask(&state(AppState::Crashed), "blog.example", "/", Entrance::Http)), Some("H10"));
        let pages = HashMap::from([(503, "page".into())]);
        assert_eq!(verdict(with(Policy { error_pages: pages, ..Policy::default() })), Verdict::Passes);
    }
}
