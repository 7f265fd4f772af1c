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
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response};

use crate::body::RequestBody;
use crate::client::Client;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::{InFlight, Instance, choose};
use crate::pool::ConnectError;
use crate::pool::lease::Lease;
use crate::progress::{Progress, Stalled};
use crate::table::{Place, PortRoute, Route};
use crate::waiting::{Seat, WaitingRoom};

/// Instances that a request tries to connect to before it gives up.
const MAX_INSTANCES: usize = 3;
/// Connections that a request may find closed before anything was sent on them.
const MAX_UNSENT: usize = 3;

/// An instance's answer with what it occupies.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) in_flight: InFlight,
}

/// A request's way to an app.
pub(crate) struct Dispatch<'a> {
    client: &'a Rc<Client>,
    host: String,
    /// As the client asked for it.
    path: PathAndQuery,
    place: Place,
    port: PortRoute,
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
    pub(crate) async fn find(
        client: &'a Rc<Client>,
        host: String,
        path: PathAndQuery,
    ) -> Result<Self, Fault> {
        let worker = &client.worker;
        if worker.table.load().is_first() {
            let mut seat = WaitingRoom::enter(&worker.lobby, worker.settings.waiting)?;
            while worker.table.load().is_first() {
                worker.wait(seat.next_table()).await.filter(|came| *came).ok_or(Fault::Starting)?;
            }
        }
        Self::look_up(client, host, path)
    }

    fn look_up(client: &'a Rc<Client>, host: String, path: PathAndQuery) -> Result<Self, Fault> {
        let table = client.worker.table.load();
        let place = table.find(&host, path.path()).ok_or(Fault::UnknownHost)?.clone();
        let port = place.route.port(client.entrance).ok_or(Fault::UnknownHost)?;
        Ok(Self { client, host, path, place, port })
    }

    /// The app.
    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.place.route
    }

    /// The host, as the table knows it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The target as instances see it.
    pub(crate) fn target(&self) -> PathAndQuery {
        self.place.target(&self.path)
    }

    /// The beginning of the path that instances do not see.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.place.stripped()
    }

    /// Sends the request to one instance after the other until one answers or nothing more may be tried.
    pub(crate) async fn send(
        mut self,
        mut request: Request<RequestBody>,
        progress: &Progress,
        exchange: &mut Exchange,
    ) -> Result<Answer, Fault> {
        let mut tried = Vec::new();
        let mut refused = None;
        let mut unsent = 0;
        let mut seat = None;
        loop {
            let in_flight = match self.choose(&tried) {
                Ok(in_flight) if tried.len() < MAX_INSTANCES => in_flight,
                // A newer table says that the app is starting, so that the refusal is history.
                Err(Fault::Starting) => {
                    self.wait(&mut seat, Fault::Starting).await?;
                    refused = None;
                    tried.clear();
                    continue;
                }
                chosen => {
                    self.wait(&mut seat, refused.take().or(chosen.err()).unwrap_or(Fault::Refused)).await?;
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
    async fn wait(&self, seat: &mut Option<Seat>, fault: Fault) -> Result<(), Fault> {
        let worker = &self.client.worker;
        let expected = match fault {
            Fault::Starting => true,
            Fault::Refused | Fault::ConnectTimeout => self.has_just_refused(),
            _ => false,
        };
        if !expected {
            return Err(fault);
        }
        let Some(seat) = seat else {
            // Looks once more at once: a table may have come between the last look and the place.
            *seat = Some(WaitingRoom::enter(&self.place.route.memory.room, worker.settings.waiting)?);
            return Ok(());
        };
        let waiting =
            async { if fault == Fault::Starting { seat.next_table().await } else { seat.next_try().await } };
        worker.wait(waiting).await.filter(|again| *again).map(drop).ok_or(fault)
    }

    /// Whether an instance refuses connections for less time than a request may wait. One that has done so for
    /// longer is not about to come back, and nobody should wait for it.
    fn has_just_refused(&self) -> bool {
        let limit = self.client.worker.settings.waiting.time;
        let refusing = |instance: &Arc<Instance>| instance.refusing_for().is_some_and(|time| time < limit);
        self.place.route.instances.iter().any(refusing)
    }

    /// Chooses an instance. If a deployment has just replaced all that this request knew of, the new table is used.
    fn choose(&mut self, tried: &[u64]) -> Result<InFlight, Fault> {
        if let Some(chosen) = choose(&self.place.route.instances, tried) {
            return Ok(chosen);
        }
        let again = Self::look_up(self.client, self.host.clone(), self.path.clone())?;
        self.place = again.place;
        self.port = again.port;
        let route = &self.place.route;
        choose(&route.instances, tried).ok_or_else(|| route.fault_without_instance())
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
        let connected = pool.connect(instance, self.port, &self.place.route.policy.timeouts).await;
        exchange.set_instance(&instance.label, started.elapsed());
        match connected {
            Ok(lease) => {
                instance.end_quarantine();
                Ok(lease)
            }
            Err(error) => {
                tracing::debug!(instance = %instance.label, app = %self.place.route.app, %error, "cannot connect");
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
        let limit = self.place.route.policy.timeouts.first_byte;
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
                Attempt::Failed(Fault::FirstByteTimeout)
            }
        }
    }
}

fn fault_of(error: &hyper::Error, progress: &Progress) -> Fault {
    if let Some(fault) = progress.client_fault() {
        fault
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
