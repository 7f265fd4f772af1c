//! Sending one request to one of an app's instances, and to another where that is safe.
//!
//! Safe means: nothing of the request was sent, or it can be sent twice (RFC 9110, section 9.2.2) and went out on
//! a connection that its instance was just closing. Everything else is reported and not repeated.
//!
//! A request of which nothing was sent may also wait: while its app is starting, and while instances that were
//! there a moment ago refuse connections, as they do when the engine starts them again.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::{Request, Response};

use super::body::RequestBody;
use super::client::Client;
use super::exchange::Exchange;
use super::fault::Fault;
use super::instance::{InFlight, Instance, choose};
use super::pool::{ConnectError, Lease};
use super::progress::{Progress, Stalled};
use super::table::Route;
use super::waiting::{Place, WaitingRoom};

/// Instances that a request tries to connect to before it gives up.
const MAX_INSTANCES: usize = 3;
/// Connections that a request may find closed before anything was sent on them.
const MAX_UNSENT: usize = 3;

/// An instance's answer with what it occupies.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) in_flight: InFlight,
}

/// A request's way to an app.
pub(super) struct Dispatch<'a> {
    client: &'a Rc<Client>,
    host: String,
    route: Arc<Route>,
    port: u16,
}

/// What came of sending a request on one connection.
enum Attempt {
    Answered(Response<Incoming>, Lease),
    /// The request is still, or again, to be sent.
    Again(Request<RequestBody>),
    Failed(Fault),
}

impl<'a> Dispatch<'a> {
    /// Finds the app that a host belongs to. Before the first table nothing is known of any host, so it waits for that.
    pub(super) async fn find(client: &'a Rc<Client>, host: String) -> Result<Self, Fault> {
        let worker = &client.worker;
        if worker.table.load().is_first() {
            let mut place = WaitingRoom::enter(&worker.lobby, worker.settings.waiting)?;
            while worker.table.load().is_first() {
                worker.wait(place.next_table()).await.filter(|came| *came).ok_or(Fault::Starting)?;
            }
        }
        Self::look_up(client, host)
    }

    fn look_up(client: &'a Rc<Client>, host: String) -> Result<Self, Fault> {
        let table = client.worker.table.load();
        let route = table.find(&host).ok_or(Fault::UnknownHost)?;
        let port = route.container_port(client.entrance).ok_or(Fault::UnknownHost)?;
        let route = Arc::clone(route);
        Ok(Self { client, host, route, port })
    }

    /// The app.
    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    /// Sends the request to one instance after the other until one answers or nothing more may be tried.
    pub(super) async fn send(
        mut self,
        mut request: Request<RequestBody>,
        progress: &Progress,
        exchange: &mut Exchange,
    ) -> Result<Answer, Fault> {
        let mut tried = Vec::new();
        let mut refused = None;
        let mut unsent = 0;
        let mut place = None;
        loop {
            let in_flight = match self.choose(&tried) {
                Ok(in_flight) if tried.len() < MAX_INSTANCES => in_flight,
                // A newer table says that the app is starting, so that the refusal is history.
                Err(Fault::Starting) => {
                    self.wait(&mut place, Fault::Starting).await?;
                    refused = None;
                    tried.clear();
                    continue;
                }
                chosen => {
                    self.wait(&mut place, refused.take().or(chosen.err()).unwrap_or(Fault::Refused)).await?;
                    tried.clear();
                    continue;
                }
            };
            let fresh = unsent > 0;
            let lease = match self.connect(&in_flight, fresh, exchange).await {
                Ok(lease) => lease,
                Err(fault) => {
                    in_flight.instance().quarantine();
                    tried.push(in_flight.instance().number);
                    refused = Some(fault);
                    continue;
                }
            };
            match self.attempt(request, lease, progress).await {
                Attempt::Answered(response, lease) => return Ok(Answer { response, lease, in_flight }),
                Attempt::Failed(fault) => return Err(fault),
                Attempt::Again(again) => request = again,
            }
            unsent += 1;
            if unsent > MAX_UNSENT {
                return Err(Fault::ClosedWithoutResponse);
            }
        }
    }

    /// Waits until it is worth looking for an instance again, if that may be hoped for; else gives back the fault.
    async fn wait(&self, place: &mut Option<Place>, fault: Fault) -> Result<(), Fault> {
        let worker = &self.client.worker;
        let expected = match fault {
            Fault::Starting => true,
            Fault::Refused | Fault::ConnectTimeout => self.has_just_refused(),
            _ => false,
        };
        if !expected {
            return Err(fault);
        }
        let Some(place) = place else {
            // Looks once more at once: a table may have come between the last look and the place.
            *place = Some(WaitingRoom::enter(&self.route.room, worker.settings.waiting)?);
            return Ok(());
        };
        let waiting = async {
            if fault == Fault::Starting { place.next_table().await } else { place.next_try().await }
        };
        worker.wait(waiting).await.filter(|again| *again).map(drop).ok_or(fault)
    }

    /// Whether an instance refuses connections for less time than a request may wait. One that has done so for
    /// longer is not about to come back, and nobody should wait for it.
    fn has_just_refused(&self) -> bool {
        let limit = self.client.worker.settings.waiting.time;
        let refusing = |instance: &Arc<Instance>| instance.refusing_for().is_some_and(|time| time < limit);
        self.route.instances.iter().any(refusing)
    }

    /// Chooses an instance. If a deployment has just replaced all that this request knew of, the new table is used.
    fn choose(&mut self, tried: &[u64]) -> Result<InFlight, Fault> {
        if let Some(chosen) = choose(&self.route.instances, tried) {
            return Ok(chosen);
        }
        let again = Self::look_up(self.client, std::mem::take(&mut self.host))?;
        self.host = again.host;
        self.route = again.route;
        self.port = again.port;
        choose(&self.route.instances, tried).ok_or_else(|| self.route.fault_without_instance())
    }

    async fn connect(
        &self,
        in_flight: &InFlight,
        fresh: bool,
        exchange: &mut Exchange,
    ) -> Result<Lease, Fault> {
        let (pool, instance) = (&self.client.worker.pool, in_flight.instance());
        if !fresh && let Some(lease) = pool.take(instance, self.port) {
            exchange.set_instance(&instance.label, Duration::ZERO);
            return Ok(lease);
        }
        let started = Instant::now();
        let connected = pool.connect(instance, self.port).await;
        exchange.set_instance(&instance.label, started.elapsed());
        match connected {
            Ok(lease) => {
                instance.end_quarantine();
                Ok(lease)
            }
            Err(error) => {
                tracing::debug!(instance = %instance.label, app = %self.route.app, %error, "cannot connect");
                Err(match error {
                    ConnectError::Timeout => Fault::ConnectTimeout,
                    ConnectError::Io(_) | ConnectError::Handshake(_) => Fault::Refused,
                })
            }
        }
    }

    async fn attempt(&self, request: Request<RequestBody>, mut lease: Lease, progress: &Progress) -> Attempt {
        let copy = copy_for_replay(&request, &lease);
        progress.touch();
        let limit = self.client.worker.settings.timeouts.first_byte;
        let sent = lease.sender().try_send_request(request);
        match progress.while_moving(limit, sent).await {
            Ok(Ok(response)) => Attempt::Answered(response, lease),
            Ok(Err(mut error)) => match (error.take_message(), copy) {
                (Some(unsent), _) => Attempt::Again(unsent),
                (None, Some(copy)) if !error.error().is_parse() => Attempt::Again(copy),
                (None, _) => Attempt::Failed(fault_of(error.error(), progress)),
            },
            Err(Stalled) => {
                lease.abort();
                Attempt::Failed(if progress.is_request_sent() {
                    Fault::FirstByteTimeout
                } else {
                    Fault::ClientStalled
                })
            }
        }
    }
}

fn fault_of(error: &hyper::Error, progress: &Progress) -> Fault {
    if progress.has_client_failed() {
        Fault::BadRequest("The request's body is not valid")
    } else if error.is_parse() {
        Fault::BadResponse
    } else {
        Fault::ClosedWithoutResponse
    }
}

/// A copy of a request that may be sent twice, if its connection is one that may turn out to be closed.
///
/// A connection that has served before may be closed by its instance at the very moment at which it is used
/// again; a new one that closes without an answer is a failure of the app.
fn copy_for_replay(request: &Request<RequestBody>, lease: &Lease) -> Option<Request<RequestBody>> {
    let repeatable = lease.is_reused() && request.body().is_empty() && request.method().is_idempotent();
    repeatable.then(|| {
        let mut copy = Request::new(request.body().again());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        copy
    })
}
