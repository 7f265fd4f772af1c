//! Looking for an instance, and waiting for one where that may be hoped for: for the next table, for the end of a
//! refusal, for a place in the queue.

use std::sync::Arc;

use tokio::time::Instant;

use crate::attempt::{Dispatch, look_up};
use crate::choice::{NoChoice, Wanted, choose};
use crate::clock;
use crate::fault::Fault;
use crate::instance::{InFlight, Instance};
use crate::memory::Counted;
use crate::queue::First;
use crate::waiting::{Seat, WaitingRoom};

/// Instances that a request tries to connect to before it gives up.
const MAX_INSTANCES: usize = 3;

/// What a request has seen of instances so far.
#[derive(Default)]
pub(super) struct Search {
    /// Those that it could not connect to.
    pub(super) tried: Vec<u64>,
    /// What the last of them did.
    pub(super) refused: Option<Fault>,
    /// The one on whose connection it was lost.
    pub(super) lost: Option<u64>,
    /// Its place in the waiting room, which few requests see: so in a box.
    seat: Option<Box<Seat>>,
    /// Until when it waits in the queue.
    deadline: Option<Instant>,
}

/// An instance, or why there is none.
pub(super) type Chosen = Result<InFlight, Missing>;

/// Why no instance was chosen.
pub(super) enum Missing {
    /// All have as many requests as they may.
    Room,
    /// There is none, which is a fault.
    Instance(Fault),
}

impl Dispatch<'_> {
    /// Makes the best of a choice: waits for an instance where that may be hoped for.
    pub(super) async fn find_instance(
        &mut self,
        search: &mut Search,
        mut chosen: Chosen,
    ) -> Result<InFlight, Fault> {
        loop {
            let found = match chosen {
                Ok(in_flight) => Ok(in_flight),
                Err(Missing::Instance(fault)) => Err(fault),
                Err(Missing::Room) => self.queue(search).await,
            };
            match found {
                Ok(in_flight) if search.tried.len() < MAX_INSTANCES => return Ok(in_flight),
                // A newer table says that the app is starting, so that the refusal is history.
                Err(Fault::Starting) => {
                    self.wait(&mut search.seat, Fault::Starting).await?;
                    search.refused = None;
                }
                Err(fault @ (Fault::QueueFull | Fault::QueueTimeout)) => return Err(fault),
                found => {
                    let fault = search.refused.take().or(found.err()).unwrap_or(Fault::Refused);
                    self.wait(&mut search.seat, fault).await?;
                }
            }
            search.tried.clear();
            chosen = self.choose_at_once(search);
        }
    }

    /// Waits until it is worth looking for an instance again, if that may be hoped for; else gives back the fault.
    async fn wait(&self, seat: &mut Option<Box<Seat>>, fault: Fault) -> Result<(), Fault> {
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
            let entered = WaitingRoom::enter(&self.place.route.memory.room, worker.settings.waiting)?;
            *seat = Some(Box::new(entered));
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

    /// Chooses an instance without waiting. Who comes while others wait for a place goes behind them.
    pub(super) fn choose_at_once(&mut self, search: &Search) -> Chosen {
        let route = &self.place.route;
        let is_first = route.policy.balance.max_in_flight.is_none() || route.memory.queue.waiting() == 0;
        if is_first { self.choose(search) } else { Err(Missing::Room) }
    }

    /// Waits for a place at an instance.
    async fn queue(&mut self, search: &mut Search) -> Result<InFlight, Fault> {
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
    fn choose(&mut self, search: &Search) -> Chosen {
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
}
