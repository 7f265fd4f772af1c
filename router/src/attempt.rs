//! Sending one request to one of an app's instances, and to another where that is safe.
//!
//! Safe means: nothing of the request was sent, or it can be sent twice (RFC 9110, section 9.2.2) and went out on
//! a connection that its instance was just closing. Everything else is reported and not repeated.
//!
//! A request of which nothing was sent may also wait: while its app is starting, and while instances that were
//! there a moment ago refuse connections, as they do when the engine starts them again.
//!
//! Where the number of requests at an instance is limited, it may wait for a place as well, in the app's queue.

mod once;

use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response};
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::choice::{NoChoice, Wanted, choose};
use crate::client::Client;
use crate::clock;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::{InFlight, Instance};
use crate::memory::Counted;
use crate::pool::lease::Lease;
use crate::progress::Progress;
use crate::queue::First;
use crate::table::{Place, PortRoute, Route};
use crate::waiting::{Seat, WaitingRoom};

use once::Attempt;

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
    /// What makes the client stay with the instance, if it has to be told.
    pub(crate) cookie: Option<HeaderValue>,
}

/// A request's way to an app.
pub(crate) struct Dispatch<'a> {
    client: &'a Rc<Client>,
    host: String,
    /// As the client asked for it.
    path: PathAndQuery,
    place: Place,
    port: PortRoute,
    /// The instance that the client belongs to.
    home: Option<u64>,
    /// Whether the client's side is encrypted.
    encrypted: bool,
}

/// What a request has seen of instances so far.
#[derive(Default)]
struct Search {
    /// Those that it could not connect to.
    tried: Vec<u64>,
    /// What the last of them did.
    refused: Option<Fault>,
    /// The one on whose connection it was lost.
    lost: Option<u64>,
    /// Its place in the waiting room.
    seat: Option<Seat>,
    /// Until when it waits in the queue.
    deadline: Option<Instant>,
}

/// Why no instance was chosen.
enum Missing {
    /// All have as many requests as they may.
    Room,
    /// There is none, which is a fault.
    Instance(Fault),
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
        let (place, port) = look_up(client, &host, &path)?;
        Ok(Self { client, host, path, place, port, home: None, encrypted: false })
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

    /// Where the app's requests are counted.
    pub(crate) fn counted(&self) -> Counted {
        Counted::new(&self.place.route.memory, self.client.worker.index)
    }

    /// Takes the cookie that says where the client belongs out of its request.
    pub(crate) fn take_cookie(&mut self, headers: &mut HeaderMap, encrypted: bool) {
        if let Some(cookies) = &self.place.route.cookies {
            self.home = cookies.take(headers);
            self.encrypted = encrypted;
        }
    }

    /// Sends the request to one instance after the other until one answers or nothing more may be tried.
    pub(crate) async fn send(
        mut self,
        mut request: Request<RequestBody>,
        progress: &Rc<Progress>,
        exchange: &mut Exchange,
    ) -> Result<Answer, Fault> {
        let mut search = Search::default();
        let mut unsent = 0;
        loop {
            let mut in_flight = self.find_instance(&mut search).await?;
            let number = in_flight.instance().number;
            let lease = match self.connect(&in_flight, unsent > 0, exchange).await {
                Ok(lease) => lease,
                Err(fault) => {
                    in_flight.instance().health.refused(clock::now());
                    self.note_failure(&mut in_flight);
                    search.tried.push(number);
                    search.refused = Some(fault);
                    continue;
                }
            };
            match self.attempt(request, lease, progress).await {
                Attempt::Answered(response, lease) => {
                    self.note_answer(&mut in_flight, response.status().as_u16(), progress);
                    let cookie = self.cookie(number);
                    return Ok(Answer { response, lease, in_flight, cookie });
                }
                Attempt::Failed(fault) => {
                    if fault.is_of_instance() {
                        self.note_failure(&mut in_flight);
                    }
                    return Err(fault);
                }
                Attempt::Again(again) => request = again,
            }
            search.lost = Some(number);
            unsent += 1;
            if unsent > MAX_UNSENT {
                return Err(Fault::ClosedWithoutResponse);
            }
        }
    }

    /// Finds an instance, and waits for one where that may be hoped for.
    async fn find_instance(&mut self, search: &mut Search) -> Result<InFlight, Fault> {
        loop {
            match self.choose_or_queue(search).await {
                Ok(in_flight) if search.tried.len() < MAX_INSTANCES => return Ok(in_flight),
                // A newer table says that the app is starting, so that the refusal is history.
                Err(Fault::Starting) => {
                    self.wait(&mut search.seat, Fault::Starting).await?;
                    search.refused = None;
                }
                Err(fault @ (Fault::QueueFull | Fault::QueueTimeout)) => return Err(fault),
                chosen => {
                    let fault = search.refused.take().or(chosen.err()).unwrap_or(Fault::Refused);
                    self.wait(&mut search.seat, fault).await?;
                }
            }
            search.tried.clear();
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
        let (limit, now) = (self.client.worker.settings.waiting.time, clock::now());
        let refusing =
            |instance: &Arc<Instance>| instance.health.refusing_for(now).is_some_and(|time| time < limit);
        self.place.route.instances.iter().any(refusing)
    }

    /// Chooses an instance, and waits for a place at one if there is none. Who comes while others wait goes behind
    /// them.
    async fn choose_or_queue(&mut self, search: &mut Search) -> Result<InFlight, Fault> {
        let route = &self.place.route;
        if route.policy.balance.max_in_flight.is_none() || route.memory.queue.waiting() == 0 {
            match self.choose(search) {
                Ok(in_flight) => return Ok(in_flight),
                Err(Missing::Instance(fault)) => return Err(fault),
                Err(Missing::Room) => {}
            }
        }
        let route = Arc::clone(&self.place.route);
        let (queue, balance) = (&route.memory.queue, &route.policy.balance);
        let started = Instant::now();
        let deadline = *search.deadline.get_or_insert(started + balance.queue_time);
        let waiting = queue.enter(balance.queue, deadline).ok_or(Fault::QueueFull)?;
        let chosen = match waiting.first().await {
            Some(first) => self.choose_as_first(&first, search).await,
            None => Err(Fault::QueueTimeout),
        };
        Counted::new(&route.memory, self.client.worker.index)
            .edit(|counters| counters.queue.observe(started.elapsed()));
        chosen
    }

    async fn choose_as_first(&mut self, first: &First<'_>, search: &Search) -> Result<InFlight, Fault> {
        loop {
            let next_end = first.next_end();
            match self.choose(search) {
                Ok(in_flight) => return Ok(in_flight),
                Err(Missing::Instance(fault)) => return Err(fault),
                Err(Missing::Room) if first.wait(next_end).await => {}
                Err(Missing::Room) => return Err(Fault::QueueTimeout),
            }
        }
    }

    /// Chooses an instance. If a deployment has just replaced all that this request knew of, or there is no room at
    /// those, the newest table is used.
    fn choose(&mut self, search: &Search) -> Result<InFlight, Missing> {
        if let Ok(chosen) = self.choose_here(search) {
            return Ok(chosen);
        }
        (self.place, self.port) = look_up(self.client, &self.host, &self.path).map_err(Missing::Instance)?;
        self.choose_here(search).map_err(|none| match none {
            NoChoice::Full => Missing::Room,
            NoChoice::None => Missing::Instance(self.place.route.fault_without_instance()),
        })
    }

    fn choose_here(&self, search: &Search) -> Result<InFlight, NoChoice> {
        let route = &self.place.route;
        let limit =
            route.policy.balance.max_in_flight.map(|limit| (limit.get() as usize, &route.memory.queue));
        let wanted = Wanted { tried: &search.tried, lost: search.lost, home: self.home, limit };
        choose(&route.instances, wanted)
    }

    /// What makes the client stay with the instance that answered, unless it belongs there already.
    fn cookie(&self, instance: u64) -> Option<HeaderValue> {
        let cookies = self.place.route.cookies.as_ref().filter(|_| self.home != Some(instance))?;
        cookies.header(instance, self.place.path.as_suffix(), self.encrypted)
    }

    fn note_answer(&self, in_flight: &mut InFlight, status: u16, progress: &Progress) {
        let time = progress.rested();
        let route = &self.place.route;
        if let Some(counters) = route.memory.metrics.of(self.client.worker.index) {
            counters.first_byte.observe(time);
        }
        if in_flight.answered(status, time, route.policy.balance.eject_after) {
            self.note_ejection(in_flight);
        }
    }

    fn note_failure(&self, in_flight: &mut InFlight) {
        if in_flight.failed(self.place.route.policy.balance.eject_after) {
            self.note_ejection(in_flight);
        }
    }

    fn note_ejection(&self, in_flight: &InFlight) {
        let (app, instance) = (&self.place.route.app, in_flight.instance());
        tracing::warn!(%app, instance = %instance.label, "an instance fails and is left alone for a while");
        self.counted().edit(|counters| counters.ejections.increment());
    }
}

fn look_up(client: &Client, host: &str, path: &PathAndQuery) -> Result<(Place, PortRoute), Fault> {
    let table = client.worker.table.load();
    let place = table.find(host, path.path()).ok_or(Fault::UnknownHost)?.clone();
    let port = place.route.port(client.entrance).ok_or(Fault::UnknownHost)?;
    Ok((place, port))
}
