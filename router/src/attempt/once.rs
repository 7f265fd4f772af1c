//! Sending a request once, on one connection: which one, and what came of it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryFutureExt;
use futures_util::future::Either;
use hyper::{Request, Response, header};

use crate::attempt::search::{Chosen, Search};
use crate::attempt::{Dispatch, Interims};
use crate::clock;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::InFlight;
use crate::instance_body::InstanceBody;
use crate::interims::hearer::Hearer;
use crate::pool::ConnectError;
use crate::pool::lease::{Lease, SendError, Sender};
use crate::progress::{Progress, Stalled};
use crate::replay::{Beginning, Replay};
use crate::request_body::RequestBody;

/// What came of it.
pub(super) enum Attempt {
    Answered(Response<InstanceBody>, Lease),
    /// The request is still, or again, to be sent.
    Again(Request<RequestBody>),
    Failed(Fault),
}

/// What is needed to send a request a second time.
pub(super) struct Copy {
    /// All but the body. In a box, so that a request that waits for its answer is no larger for it.
    head: Box<Request<()>>,
    /// The body, unless there is none.
    body: Option<Replay>,
}

impl Dispatch<'_> {
    /// An instance and a connection to it that rests, if both are there at once; else what was chosen.
    pub(super) fn at_hand(
        &mut self,
        search: &Search,
        fresh: bool,
        exchange: &mut Exchange,
    ) -> Result<(InFlight, Lease), Chosen> {
        let in_flight = self.choose_at_once(search).map_err(Err)?;
        match if fresh { None } else { self.take(&in_flight, exchange) } {
            Some(lease) => Ok((in_flight, lease)),
            None => Err(Ok(in_flight)),
        }
    }

    /// Finds an instance and makes a connection to it, and waits for either where that may be hoped for.
    pub(super) async fn reach(
        &mut self,
        search: &mut Search,
        mut chosen: Chosen,
        fresh: bool,
        exchange: &mut Exchange,
    ) -> Result<(InFlight, Lease), Fault> {
        loop {
            let mut in_flight = self.find_instance(search, chosen).await?;
            match self.connect(&in_flight, fresh, exchange).await {
                Ok(lease) => return Ok((in_flight, lease)),
                Err(fault) => {
                    in_flight.instance().health.refused(clock::now());
                    self.note_failure(&mut in_flight);
                    search.tried.push(in_flight.instance().number);
                    search.refused = Some(fault);
                }
            }
            drop(in_flight);
            chosen = self.choose_at_once(search);
        }
    }

    /// A connection that rests.
    fn take(&self, in_flight: &InFlight, exchange: &mut Exchange) -> Option<Lease> {
        let instance = in_flight.instance();
        let lease = self.client.worker.pool.take(instance, self.port)?;
        exchange.set_instance(&instance.label, Duration::ZERO);
        Some(lease)
    }

    /// Takes a connection that rests, or makes one.
    async fn connect(
        &self,
        in_flight: &InFlight,
        fresh: bool,
        exchange: &mut Exchange,
    ) -> Result<Lease, Fault> {
        let (pool, instance) = (&self.client.worker.pool, in_flight.instance());
        if !fresh && let Some(lease) = self.take(in_flight, exchange) {
            return Ok(lease);
        }
        let started = Instant::now();
        let connected = pool.connect(instance, self.port, &self.place.route.policy).await;
        let time = started.elapsed();
        exchange.set_instance(&instance.label, time);
        match connected {
            Ok(lease) => {
                instance.health.accepted();
                self.counted().edit(|counters| counters.connect.observe(time));
                Ok(lease)
            }
            Err(error) => {
                tracing::debug!(instance = %instance.label, app = %self.place.route.app, %error, "cannot connect");
                Err(match error {
                    ConnectError::Timeout => Fault::ConnectTimeout,
                    ConnectError::Io(_) | ConnectError::Http1(_) | ConnectError::Http2(_) => Fault::Refused,
                })
            }
        }
    }

    /// Sends a request, and keeps what is needed to do so again if that may have to be done.
    pub(super) fn transmit(
        &self,
        mut request: Request<RequestBody>,
        lease: &mut Lease,
    ) -> (Option<Copy>, impl Future<Output = Result<Response<InstanceBody>, SendError>> + use<>) {
        let is_repeated = self.place.route.policy.balance.retries;
        let copy = if is_repeated { copy_for_replay(&mut request, lease) } else { None };
        (copy, self.send_on(lease.sender(), request))
    }

    /// Sends a request on a connection; what it gives back waits for the head of the answer.
    ///
    /// No `async fn`, which would hold the request twice: as what it was called with, and inside hyper's future.
    fn send_on(
        &self,
        sender: &mut Sender,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<InstanceBody>, SendError>> + use<> {
        match sender {
            Sender::Http1(kept) => {
                match &self.interims {
                    Interims::Nowhere => {}
                    Interims::Connection => kept.interims.await_for(&self.client.flags),
                    Interims::Stream(stream) => kept.interims.await_for_stream(Arc::clone(stream)),
                }
                let sent = kept.sender.try_send_request(request);
                let answered = |answer: Response<_>| answer.map(InstanceBody::Http1);
                Either::Left(sent.map_ok(answered).map_err(SendError::from))
            }
            Sender::Http2(stream) => Either::Right(stream.send(request, self.hearer())),
        }
    }

    /// Who gets the interim answers of an instance that speaks HTTP/2.
    fn hearer(&self) -> Option<Hearer> {
        match &self.interims {
            Interims::Nowhere => None,
            Interims::Connection => {
                self.client.flags.interims.open();
                Some(Hearer::Connection(Arc::clone(&self.client.flags)))
            }
            Interims::Stream(stream) => Some(Hearer::Stream(Arc::clone(stream))),
        }
    }

    /// What to make of an answer, or of none.
    pub(super) fn outcome(
        &self,
        answered: Result<Result<Response<InstanceBody>, SendError>, Stalled>,
        lease: Lease,
        copy: Option<Copy>,
        progress: &Rc<Progress>,
    ) -> Attempt {
        match answered {
            Ok(Ok(response)) => Attempt::Answered(response, lease),
            Ok(Err(mut error)) => match error.take_message() {
                Some(unsent) => Attempt::Again(unsent),
                None => match self.again(copy, &error, progress) {
                    Some(again) => Attempt::Again(again),
                    None => Attempt::Failed(fault_of(&error, progress)),
                },
            },
            Err(Stalled) => {
                lease.abort();
                Attempt::Failed(Fault::FirstByteTimeout)
            }
        }
    }

    /// The request once more, if it may be sent a second time.
    fn again(
        &self,
        copy: Option<Copy>,
        error: &SendError,
        progress: &Rc<Progress>,
    ) -> Option<Request<RequestBody>> {
        let Copy { head, body } = copy?;
        // An answer that is not HTTP is an answer, and a client that breaks off wants none.
        if error.is_parse() || progress.client_fault().is_some() {
            return None;
        }
        let beginning = body.map_or_else(|| Some(Beginning::default()), |replay| replay.begin_again())?;
        let worker = self.client.worker.index;
        if !self.place.route.memory.may_retry(worker, clock::now()) {
            return None;
        }
        self.counted().edit(|counters| counters.retries.increment());
        Some(head.map(|()| RequestBody::begin_again(beginning, progress)))
    }
}

fn fault_of(error: &SendError, progress: &Progress) -> Fault {
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
fn copy_for_replay(request: &mut Request<RequestBody>, lease: &Lease) -> Option<Copy> {
    let repeatable = lease.is_reused()
        && request.method().is_idempotent()
        && !request.headers().contains_key(header::UPGRADE);
    if !repeatable {
        return None;
    }
    let body = if request.body().is_empty() { None } else { Some(request.body_mut().keep()?) };
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    Some(Copy { head: Box::new(head), body })
}
