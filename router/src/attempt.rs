//! Sending one request to one of an app's instances, and to another where that is safe.
//!
//! Safe means: nothing of the request was sent, or its instance says that it has done nothing with it, or it can be sent
//! twice (RFC 9110, section 9.2.2) and went out on a connection that its instance was just closing. Everything else is
//! reported and not repeated.
//!
//! A request of which nothing was sent may also wait: while its app is starting, and while instances that were
//! there a moment ago refuse connections, as they do when the engine starts them again.
//!
//! Where the number of requests at an instance is limited, it may wait for a place as well, in the app's queue.

mod once;
mod search;

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Version};

use crate::client::Client;
use crate::client_body::RawBody;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::InFlight;
use crate::instance_body::InstanceBody;
use crate::interims::stream::StreamInterims;
use crate::memory::Counted;
use crate::pool::lease::Lease;
use crate::progress::Progress;
use crate::request_body::RequestBody;
use crate::table::{Place, PortRoute, Route};
use crate::waiting::WaitingRoom;

use once::Attempt;
use search::Search;

/// Connections that a request may find closed before anything was sent on them.
const MAX_UNSENT: usize = 3;

/// An instance's answer with what it occupies.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<InstanceBody>,
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
    /// Where interim answers go.
    interims: Interims,
}

/// Where interim answers go.
enum Interims {
    /// The client knows none.
    Nowhere,
    /// To the client's connection.
    Connection,
    /// To the stream that the request came on.
    Stream(Arc<StreamInterims>),
}

/// Waits for the first table. Before it nothing is known of any host.
pub(crate) async fn wait_for_table(client: &Client) -> Result<(), Fault> {
    let worker = &client.worker;
    let mut seat = WaitingRoom::enter(&worker.lobby, worker.settings.waiting)?;
    while worker.table.load().is_first() {
        worker.wait(seat.next_table()).await.filter(|came| *came).ok_or(Fault::Starting)?;
    }
    Ok(())
}

impl<'a> Dispatch<'a> {
    /// Finds the app that a host belongs to.
    pub(crate) fn find(client: &'a Rc<Client>, host: String, path: PathAndQuery) -> Result<Self, Fault> {
        let (place, port) = look_up(client, &host, &path)?;
        let interims = Interims::Nowhere;
        Ok(Self { client, host, path, place, port, home: None, encrypted: false, interims })
    }

    /// The app.
    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.place.route
    }

    /// The connection that the request came on.
    pub(crate) fn client(&self) -> &Client {
        self.client
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

    /// Passes interim answers on to all clients but those of HTTP/1.0, which knows none (RFC 9110, section 15.2).
    pub(crate) fn pass_interims(&mut self, client: Version, body: &RawBody) {
        self.interims = match body.interims() {
            Some(stream) => Interims::Stream(Arc::clone(stream)),
            None if client == Version::HTTP_11 => Interims::Connection,
            None => Interims::Nowhere,
        };
    }

    /// Sends the request to one instance after the other until one answers or nothing more may be tried.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
        progress: &Rc<Progress>,
        exchange: &mut Exchange,
    ) -> Result<Answer, Fault> {
        let mut search = Search::default();
        let mut unsent = 0;
        loop {
            let (mut in_flight, mut lease) = match self.at_hand(&search, unsent > 0, exchange) {
                Ok(both) => both,
                // In a box, as are all rare waits of a request: its future is as large as the largest of them, and
                // is copied several times before it begins.
                Err(chosen) => Box::pin(self.reach(&mut search, chosen, unsent > 0, exchange)).await?,
            };
            progress.touch();
            let (copy, sent) = self.transmit(request, &mut lease);
            let limit = self.place.route.policy.timeouts.first_byte;
            let answered = progress.while_moving(limit, pin!(sent)).await;
            let number = in_flight.instance().number;
            match self.outcome(answered, lease, copy, progress) {
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
